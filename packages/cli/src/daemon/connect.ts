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
 * A client whose daemon answers. ISTHMUS_URL, ISTHMUS_TOKEN, ISTHMUS_CA_FILE, ISTHMUS_CERT_FILE and ISTHMUS_KEY_FILE are of a daemon on
 * TCP, which is never started from here. Throws DAEMON_UNREACHABLE, DAEMON_START_FAILED, CONFIG_INVALID, LOCAL_FILE.
 */
export async function connect(world: Surroundings, options: { readonly autostart: boolean; readonly quiet: boolean }): Promise<Isthmus> {
  const { env } = world;
  if (env.ISTHMUS_URL) return overTcp(env, env.ISTHMUS_URL);
  const paths = daemonPaths(env);
  const isthmus = new Isthmus({ socketPath: paths.socket, token: env.ISTHMUS_TOKEN || undefined });
  const state = await probe(paths.socket);
  if (state === "listening") return isthmus;
  if (state === "forbidden" || !options.autostart)
    throw new IsthmusError("DAEMON_UNREACHABLE", { address: paths.socket, ...whyNot[state] });
  await start(world, isthmus, options.quiet);
  return isthmus;
}

const whyNot = {
  forbidden: { reason: "no permission to use its socket", help: "Be the user that the daemon runs as: its socket is that user's alone." },
  absent: { reason: "nobody listens there", help: "Start it: isthmus daemon start" },
};

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

/** Options of the SDK by the variables that they are given in. */
const pairVariables = { certificate: "ISTHMUS_CERT_FILE", key: "ISTHMUS_KEY_FILE" } as const;

function overTcp(env: NodeJS.ProcessEnv, url: string): Isthmus {
  const options = { url, token: env.ISTHMUS_TOKEN, ca: pem(env.ISTHMUS_CA_FILE) };
  const pair = { certificate: pem(env.ISTHMUS_CERT_FILE), key: pem(env.ISTHMUS_KEY_FILE) };
  try {
    return new Isthmus({ ...options, ...pair });
  } catch (cause) {
    const field = hasCode(cause, "CONFIG_INVALID") ? cause.details.field : undefined;
    if (!hasCode(cause) || (field !== "certificate" && field !== "key")) throw cause;
    const variable = pairVariables[field];
    throw new IsthmusError("CONFIG_INVALID", { ...cause.details, field: variable, value: env[variable] || "(none)" }, { cause });
  }
}

function pem(file: string | undefined): Buffer | undefined {
  if (!file) return undefined;
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new IsthmusError("LOCAL_FILE", { path: file, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}
