import { Worker } from "node:worker_threads";
import { atMost, exactly, paired, quantile, type Result } from "../result.ts";
import { aims, BURST, CALL_EVERY_MS, HELLO, RAW_CONCURRENCY, RAW_SEARCH, SPEC } from "./config.ts";
import { firstByte } from "./contestants.ts";
import { inFlight } from "./race.ts";
import { rawStarts } from "./raw-starts.ts";
import type { Stage } from "./stage.ts";

/** A hundred starts asked for at once, against as many raw clones made at the concurrency that suits this host best; meanwhile the daemon is called all the time. */
export async function burstFigures(stage: Stage): Promise<readonly Result[]> {
  let best = { concurrency: 1, perStart: Number.POSITIVE_INFINITY };
  for (const concurrency of RAW_CONCURRENCY) {
    const perStart = (await rawStarts(stage.raw, RAW_SEARCH, concurrency)) / RAW_SEARCH;
    if (perStart < best.perStart) best = { concurrency, perStart };
  }
  await stage.poolIsFull();
  const { wallMs, ran, calls, failures } = await burst(stage);
  const rawMs = await rawStarts(stage.raw, BURST, best.concurrency);
  const unlike = [...new Set(failures)].join("; ");
  return [
    { ...exactly(`${BURST} starts at once: that ran`, "machines", ran, BURST), ...(unlike && { note: unlike }) },
    {
      ...paired(`${BURST} starts at once: wall time`, "ms", [wallMs], [rawMs], aims.burstAgainstRaw),
      note: `raw clones ${best.concurrency} at a time`,
    },
    {
      ...atMost(`${BURST} starts at once: slowest call of the daemon meanwhile`, "ms", Math.max(...calls), aims.callMs),
      note: `${calls.length} calls, median ${quantile(calls, 0.5).toFixed(1)} ms, p90 ${quantile(calls, 0.9).toFixed(1)} ms`,
    },
  ];
}

async function burst(stage: Stage) {
  const { isthmus } = stage.pooled;
  const caller = new Caller(stage.pooled.env.ISTHMUS_SOCKET ?? "");
  const ids: string[] = [];
  const failures: string[] = [];
  const began = performance.now();
  const one = async () => {
    const machine = await isthmus.machines.run({ ...SPEC, command: [...HELLO] }, { follow: true });
    ids.push(machine.id);
    await firstByte(machine);
  };
  await Promise.all(
    Array.from({ length: BURST }, () =>
      one().catch((error: unknown) => {
        failures.push(error instanceof Error ? error.message : String(error));
      }),
    ),
  );
  const wallMs = performance.now() - began;
  const calls = await caller.stop();
  await inFlight(ids.length, 4, (index) => isthmus.machines.remove(ids[index] ?? "", { force: true }));
  return { wallMs, ran: BURST - failures.length, calls, failures };
}

/** Calls the daemon from a thread of its own, so that what this one does is not taken for the daemon's slowness. */
class Caller {
  readonly #worker: Worker;

  constructor(socketPath: string) {
    this.#worker = new Worker(new URL("./caller.ts", import.meta.url), { workerData: { socketPath, everyMs: CALL_EVERY_MS } });
  }

  /** ms of each call */
  async stop(): Promise<readonly number[]> {
    const times = new Promise<readonly number[]>((resolve, reject) => {
      this.#worker.once("message", resolve);
      this.#worker.once("error", reject);
    });
    this.#worker.postMessage("stop");
    return await times;
  }
}
