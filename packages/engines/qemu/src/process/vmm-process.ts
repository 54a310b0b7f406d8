import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import type { EngineEnd } from "@isthmus/core";
import {
  ADOPTED_POLL_MS,
  CONSOLE_TAIL_LINES,
  END_LOOKS,
  END_TOLD_MS,
  fileNames,
  KILL_DEADLINE_MS,
  KILL_POLL_MS,
  STDERR_TAIL_BYTES,
} from "../config.ts";
import { processStatus } from "./proc.ts";

/** A VMM process: our child, our fork server's, or an earlier daemon's. A pid alone can become another's: its start time goes with it. */
export class VmmProcess {
  readonly pid: number;
  readonly startTime: string;
  /** Never rejects. */
  readonly ended: Promise<EngineEnd>;
  readonly #settle: (end: EngineEnd) => void;
  #poll: NodeJS.Timeout | undefined;
  /** A fork server is to tell of its end, and how it ended. */
  #told = false;
  #goneSinceMs: number | undefined;
  #unref: () => void = () => {};
  #over = false;
  #released = false;

  private constructor(pid: number, startTime: string) {
    this.pid = pid;
    this.startTime = startTime;
    const { promise, resolve } = Promise.withResolvers<EngineEnd>();
    this.ended = promise;
    this.#settle = (end) => {
      this.#over = true;
      this.release();
      resolve(end);
    };
  }

  /** A process that another daemon started. */
  static adopted(pid: number, startTime: string): VmmProcess {
    const vmm = new VmmProcess(pid, startTime);
    vmm.#watch();
    return vmm;
  }

  /** A fork server's child; `told` is what the server says of its end, or undefined when the server went first. */
  static forked(pid: number, startTime: string, told: Promise<EngineEnd | undefined>): VmmProcess {
    const vmm = new VmmProcess(pid, startTime);
    vmm.#told = true;
    void told.then((end) => {
      vmm.#told = false;
      if (end === undefined) vmm.#watch();
      else vmm.#settle(end);
    });
    return vmm;
  }

  static child(child: ChildProcess, pid: number, startTime: string): VmmProcess {
    const vmm = new VmmProcess(pid, startTime);
    child.once("exit", (code, signal) => vmm.#settle({ status: signal === null ? `exit status ${code}` : `signal ${signal}` }));
    vmm.#unref = () => child.unref();
    return vmm;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Looks now whether the process is still there, not at the next interval. */
  look(): void {
    if (this.#over || (this.#poll === undefined && !this.#told) || this.#present()) return;
    this.#goneSinceMs ??= performance.now();
    if (!this.#told) this.#settle({});
    // A server that is stopped tells nothing. Where this program stood still, what the server told is there and not yet read.
    else if (performance.now() - this.#goneSinceMs >= END_TOLD_MS) setImmediate(() => this.#settle({}));
  }

  /** The process seems to be ending: looks often for a while. */
  expectEnd(looks = END_LOOKS): void {
    this.look();
    if (this.#over || this.#released) return;
    if (looks > 0) setTimeout(() => this.expectEnd(looks - 1), KILL_POLL_MS).unref();
    else if (this.#told) this.#watch();
  }

  /** SIGKILL, and waits for the end. Does nothing when the process is gone. Throws TIMEOUT. */
  async kill(): Promise<void> {
    if (this.#over) return;
    if (this.#present()) process.kill(this.pid, "SIGKILL");
    const giveUpAt = performance.now() + KILL_DEADLINE_MS;
    while (!this.#over) {
      this.look();
      if (performance.now() >= giveUpAt && this.#goneSinceMs === undefined)
        throw new IsthmusError("TIMEOUT", { what: `the end of process ${this.pid}`, limit: KILL_DEADLINE_MS });
      await Promise.race([this.ended, sleep(KILL_POLL_MS)]);
    }
  }

  /** Stops looking, and no longer keeps this program alive; the process goes on. */
  release(): void {
    this.#released = true;
    this.#unref();
    clearInterval(this.#poll);
  }

  #watch(): void {
    if (!this.#over && !this.#released) this.#poll ??= setInterval(() => this.look(), ADOPTED_POLL_MS);
  }

  #present(): boolean {
    return processStatus(this.pid)?.startTime === this.startTime;
  }
}

/** The last of what the VMM said. */
export async function vmmWords(folder: string): Promise<string> {
  return (await tail(folder, fileNames.vmmLog)).replaceAll(/^qemu-system-\w+: /gm, "");
}

/** The end of what the guest wrote to its console, on one line. */
export async function consoleWords(folder: string): Promise<string> {
  return (await tail(folder, fileNames.console))
    .split(/[\r\n]+/)
    .slice(-CONSOLE_TAIL_LINES)
    .join(" / ");
}

async function tail(folder: string, name: string): Promise<string> {
  try {
    return (await readFile(join(folder, name))).subarray(-STDERR_TAIL_BYTES).toString("utf8").trim();
  } catch {
    return "";
  }
}
