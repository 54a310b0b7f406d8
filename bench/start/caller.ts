import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { Isthmus } from "@isthmus/sdk";

/** A thread that asks the daemon for its version and a page of machines in turn until it is told to stop; then it tells how long each call took, ms. */
const { socketPath, everyMs }: { socketPath: string; everyMs: number } = workerData;
const isthmus = new Isthmus({ socketPath });
const times: number[] = [];
let going = true;

parentPort?.once("message", () => {
  going = false;
});
for (let call = 0; going; call += 1) {
  const began = performance.now();
  await (call % 2 === 0 ? isthmus.version() : isthmus.machines.page({ limit: 20 }));
  times.push(performance.now() - began);
  await sleep(Math.max(0, everyMs - (performance.now() - began)));
}
isthmus.close();
parentPort?.postMessage(times);
