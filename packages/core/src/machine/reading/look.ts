import { IsthmusError } from "@isthmus/contract";
import { LOOK_END_MS, SIGTERM } from "../config.ts";
import { type Context, sleep } from "../context.ts";
import type { LiveMachine, StartPlan } from "../ports.ts";

type Given = Pick<StartPlan, "id" | "name" | "rootfsPath" | "cpus" | "memoryBytes" | "network" | "volumes"> &
  Partial<Pick<StartPlan, "diskPath" | "diskBytes" | "diskFormat" | "hostname">>;

/** What a look is at; `ownFolder`: the folder was made for it and goes with it. */
export interface LookPlan extends Given {
  readonly ownFolder: boolean;
}

/** A guest without a workload, for a look at files that no machine has in use. */
export interface Look {
  readonly live: LiveMachine;
  readonly id: string;
  readonly ownFolder: boolean;
}

/** Boots it in the folder of `id`, which exists. No record knows of it: the next daemon ends what a crash leaves. Throws what `Engine.start` throws. */
export async function lookInto(context: Context, { ownFolder, ...given }: LookPlan, signal: AbortSignal): Promise<Look> {
  const { folders, engines } = context;
  const [engine] = engines;
  if (engine === undefined) throw new IsthmusError("ISOLATION_UNAVAILABLE", { isolation: "microvm" });
  const { id } = given;
  await folders.createSocketFolder(id);
  const plan: StartPlan = {
    ...given,
    folder: folders.folder(id),
    socketFolder: folders.socketFolder(id),
    outputPath: folders.outputPath(id),
    ports: [],
    hostname: given.hostname ?? id,
    tmpfs: [],
    shares: [],
    workload: { argv: [], env: [], cwd: "/", user: "", tty: false, stdin: false },
    visit: true,
  };
  return { live: await engine.start(plan, signal), id, ownFolder };
}

/** In order, so that all it wrote is on the disk; resolves when its process is gone. */
export async function endLook(context: Context, { live, id, ownFolder }: Look): Promise<void> {
  try {
    await live.shutdown(SIGTERM, 0);
    await Promise.race([live.ended, sleep(context, LOOK_END_MS)]);
  } catch (error) {
    context.log.warn({ machine: id, err: error }, "a look at files did not end in order");
  } finally {
    await live.kill();
    await live.ended;
    live.release();
    if (ownFolder) await context.folders.remove(id);
  }
}
