import { readFileSync } from "node:fs";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { Isthmus } from "@isthmus/sdk";
import type { OutputStream } from "../context.ts";
import { daemonPaths } from "./paths.ts";
import { probe } from "./probe.ts";

interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly stderr: OutputStream;
}

/**
 * A client whose daemon answers. ISTHMUS_URL, ISTHMUS_TOKEN and ISTHMUS_CA_FILE name a daemon on TCP, which is never started from here.
 * Throws DAEMON_UNREACHABLE, DAEMON_START_FAILED, CONFIG_INVALID.
 */
export async function connect(world: Surroundings, options: { readonly autostart: boolean; readonly quiet: boolean }): Promise<Isthmus> {
  const { env } = world;
  if (env.ISTHMUS_URL) return new Isthmus({ url: env.ISTHMUS_URL, token: env.ISTHMUS_TOKEN, ca: authority(env.ISTHMUS_CA_FILE) });
  const paths = daemonPaths(env);
  const isthmus = new Isthmus({ socketPath: paths.socket, token: env.ISTHMUS_TOKEN || undefined });
  const state = await probe(paths.socket);
  if (state === "listening") return isthmus;
  const reason = state === "forbidden" ? "no permission to use its socket" : "nobody listens there";
  if (state === "forbidden" || !options.autostart) throw new IsthmusError("DAEMON_UNREACHABLE", { address: paths.socket, reason });
  await start(world, isthmus, options.quiet);
  return isthmus;
}

/** Starts the daemon with a moving line on a terminal. Tells whether it was this call that started it. */
export async function start(world: Surroundings, isthmus: Isthmus, quiet: boolean): Promise<"started" | "found"> {
  const [{ launchDaemon }, { progressView }] = await Promise.all([import("./launch.ts"), import("../terminal/progress.ts")]);
  const view = progressView(world.stderr, quiet || world.stderr.isTTY !== true);
  view.update({ step: "starting the daemon" });
  try {
    return await launchDaemon({ paths: daemonPaths(world.env), env: world.env, answers: () => answers(isthmus) });
  } finally {
    view.stop();
  }
}

export async function answers(isthmus: Isthmus): Promise<boolean> {
  try {
    await isthmus.version();
    return true;
  } catch (cause) {
    // A token that is not valid is told to whoever uses it.
    return hasCode(cause, "UNAUTHORIZED");
  }
}

function authority(file: string | undefined): Buffer | undefined {
  if (!file) return undefined;
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new IsthmusError("LOCAL_FILE", { path: file, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}
