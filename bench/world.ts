import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { Isthmus } from "@isthmus/sdk";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "..");

/** A daemon of its own in a folder of its own, gone at the end. */
export class BenchWorld implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), "isthmus-bench-"));
  env: NodeJS.ProcessEnv;
  /** what the daemon's commands are begun by, as `nsenter` is */
  #through: readonly string[] = [];
  readonly isthmus: Isthmus;

  constructor(env: NodeJS.ProcessEnv) {
    const socket = join(this.home, "run", "isthmus.sock");
    mkdirSync(join(this.home, "run"), { mode: 0o700 });
    this.env = { ...process.env, ISTHMUS_HOME: this.home, ISTHMUS_SOCKET: socket, NO_COLOR: "1", ...env };
    this.isthmus = new Isthmus({ socketPath: socket });
  }

  static async start(env: NodeJS.ProcessEnv = {}): Promise<BenchWorld> {
    const world = new BenchWorld(env);
    await world.cli(["daemon", "start"]);
    await world.cli(["kernel", "fetch"]);
    await using first = await world.isthmus.machines.run({ image: "busybox", command: ["sleep", "100"], stopTimeoutMs: 0 });
    await first.execText(["true"]);
    return world;
  }

  /** The same folder and machines with a daemon of other settings, started by a command that `through` begins. */
  async restart(env: NodeJS.ProcessEnv, through: readonly string[] = []): Promise<void> {
    await this.cli(["daemon", "stop"]);
    this.#through = through;
    const { ISTHMUS_HOME, ISTHMUS_SOCKET, NO_COLOR } = this.env;
    this.env = { ...process.env, ISTHMUS_HOME, ISTHMUS_SOCKET, NO_COLOR, ...env };
    await this.cli(["daemon", "start"]);
  }

  async cli(args: readonly string[]): Promise<string> {
    const [program = "", ...words] = [...this.#through, join(ROOT, "isthmus"), ...args];
    const { stdout } = await run(program, words, { env: this.env, maxBuffer: 64 * 1024 * 1024 });
    return stdout.trim();
  }

  async daemonRssBytes(): Promise<number> {
    const { pid } = await this.isthmus.version();
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for await (const machine of this.isthmus.machines.list({ all: true })) await this.isthmus.machines.remove(machine.id, { force: true });
    await this.cli(["daemon", "stop"]);
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Milliseconds that `action` took. */
export async function time(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await action();
  return performance.now() - started;
}
