import { absolute, quantile, type Result } from "../result.ts";
import { time } from "../world.ts";
import { aims, SPEC } from "./config.ts";
import type { Stage } from "./stage.ts";

/** It has done some work, holds a few files and goes on working. */
const WORKING = ["sh", "-c", "dd if=/dev/urandom of=/data bs=64k count=64 2> /dev/null; sync; while :; do sleep 1; done"];
const ROUNDS_FACTOR = 2;

/** Suspend, resume to the end of a first exec, and for how long a machine stands still when it is cloned while it runs. */
export async function savedFigures(stage: Stage): Promise<readonly Result[]> {
  const { isthmus } = stage.forked;
  const machine = await isthmus.machines.run({ ...SPEC, command: WORKING });
  const suspend: number[] = [];
  const resume: number[] = [];
  const paused: number[] = [];
  const cloned: number[] = [];
  await machine.execText(["true"]);
  for (let round = 0; round <= stage.rounds * ROUNDS_FACTOR; round += 1) {
    const times = [
      await time(() => machine.suspend()),
      await time(async () => {
        await machine.resume();
        await machine.execText(["true"]);
      }),
    ];
    const snapshot = await machine.snapshot();
    await isthmus.snapshots.remove(snapshot.id);
    const began = performance.now();
    const [clone] = await machine.clone();
    const clonedMs = performance.now() - began;
    await clone?.remove({ force: true });
    if (round === 0) continue;
    suspend.push(times[0] ?? Number.NaN);
    resume.push(times[1] ?? Number.NaN);
    paused.push(snapshot.pausedMs);
    cloned.push(clonedMs);
  }
  await machine.remove({ force: true });
  return [
    absolute("suspend", "ms", suspend, aims.suspendMs),
    absolute("resume to the end of a first exec", "ms", resume, aims.resumeMs),
    {
      ...absolute("fork of a running machine: it stands still", "ms", paused, aims.pausedMs),
      note: `the clone runs after ${Math.round(quantile(cloned, 0.5))} ms`,
    },
  ];
}
