import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { Isthmus } from "@isthmus/sdk";

/** A thread that runs `true` in a machine again and again until it is told to stop; then it tells when each began and how long it took, ms. */

/** what a call that failed counts as, at least: as long as the client waits for an answer, ms */
const FAILED_MS = 20_000;

const { socketPath, machine, everyMs }: { socketPath: string; machine: string; everyMs: number } = workerData;
const isthmus = new Isthmus({ socketPath });
const handle = isthmus.machines.handle(machine);
const times: [number, number][] = [];
let going = true;

parentPort?.once("message", () => {
  going = false;
});
while (going) {
  const atMs = Date.now();
  const began = performance.now();
  const least = await handle.execText(["true"]).then(
    () => 0,
    () => FAILED_MS,
  );
  times.push([atMs, Math.max(least, performance.now() - began)]);
  await sleep(Math.max(0, everyMs - (performance.now() - began)));
}
isthmus.close();
parentPort?.postMessage(times);
