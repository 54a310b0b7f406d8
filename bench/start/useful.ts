import { writeChart } from "../plot/chart.ts";
import { paired, type Result } from "../result.ts";
import { aims, RACE_FACTOR } from "./config.ts";
import { names, usefulContestants } from "./contestants.ts";
import { distribution } from "./distribution.ts";
import { race } from "./race.ts";
import type { Stage } from "./stage.ts";

/** `run` to the end of a first useful command: the page faults and the translation of code after the restore are part of it. */
export async function usefulFigures(stage: Stage): Promise<readonly Result[]> {
  const samples = await race(usefulContestants(stage), Math.ceil((stage.rounds * RACE_FACTOR) / 2));
  await writeChart("start-useful", distribution("From the request to the end of a first useful command (ls -lR /bin | md5sum)", samples));
  const of = (name: string) => samples.get(name) ?? [];
  const figure = "run to first useful exec";
  return [
    paired(`${figure}, pooled`, "ms", of(names.pooled), of(names.rawPrepared), aims.againstRaw),
    paired(`${figure}, not pooled`, "ms", of(names.forked), of(names.raw), aims.againstRaw),
    paired(`${figure}, no zygote`, "ms", of(names.restored), of(names.raw), aims.againstRaw),
  ];
}
