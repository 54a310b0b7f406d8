import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { CALL_EVERY_MS, EXEC_EVERY_MS, PRESSURE_EVERY_MS } from "./config.ts";

/** A thread of its own, so that what this one does is not taken for the daemon's slowness. `stop` gives what it measured. */
function thread<T>(file: URL, workerData: object): { stop(): Promise<T> } {
  const worker = new Worker(file, { workerData });
  const told = new Promise<T>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  told.catch(() => undefined);
  return {
    async stop() {
      worker.postMessage("stop");
      return await told;
    },
  };
}

/** What is seen of a daemon, a bystander machine and the host while something else goes on. */
export function watch(socketPath: string, machine: string) {
  const calls = thread<readonly number[]>(new URL("../start/caller.ts", import.meta.url), { socketPath, everyMs: CALL_EVERY_MS });
  const execs = thread<readonly (readonly [number, number])[]>(new URL("./exec-caller.ts", import.meta.url), {
    socketPath,
    machine,
    everyMs: EXEC_EVERY_MS,
  });
  const pressure: number[] = [];
  const timer = setInterval(() => pressure.push(memoryFull10()), PRESSURE_EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      return { calls: await calls.stop(), execs: await execs.stop(), pressure };
    },
  };
}

/** per cent of the last 10 s in which everybody waited for memory; NaN where the kernel does not tell */
function memoryFull10(): number {
  try {
    return Number(/^full avg10=([\d.]+)/m.exec(readFileSync("/proc/pressure/memory", "utf8"))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}
