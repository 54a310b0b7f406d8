import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, Isthmus, IsthmusError, type Machine } from "@isthmus/sdk";
import { expect } from "vitest";
import { childrenOf, filesIn, openIn, watchGroupsOf } from "./leaks/held.ts";

const ROOT = resolve(import.meta.dirname, "..");
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

export interface CliResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** stdout as text, trimmed */
  readonly text: string;
}

/** Clones that wait hold sockets of the daemon, and come and go by themselves: worlds that count what it has open do without. A zygote holds none. */
const noPools = { ISTHMUS_POOL_MAX: "0" };

/** A data folder of its own with a real daemon; disposing of it proves that nothing is left behind. */
export class World implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), "isthmus-e2e-"));
  readonly socket = join(this.home, "run", "isthmus.sock");
  readonly env: Record<string, string>;
  readonly isthmus: Isthmus;
  /** what the daemon has open when it has nothing to do */
  #idle: readonly string[] | undefined;

  /** what commands are begun by, as `nsenter` is */
  readonly #through: readonly string[];

  constructor(env: Record<string, string> = {}, through: readonly string[] = []) {
    this.#through = through;
    mkdirSync(join(this.home, "run"), { mode: 0o700 });
    watchGroupsOf(this.home);
    const kept = ["PATH", "HOME", "LANG", "CI"].flatMap((name) => (process.env[name] ? [[name, process.env[name] ?? ""]] : []));
    this.env = { ...Object.fromEntries(kept), ISTHMUS_HOME: this.home, ISTHMUS_SOCKET: this.socket, NO_COLOR: "1", ...noPools, ...env };
    this.isthmus = new Isthmus({ socketPath: this.socket });
  }

  /**
   * A world whose daemon answers, with the kernel, the verdict on the accelerator, the built-in image and its template, as the seed made them.
   * `prepare` is called before anything is in its data folder.
   */
  static async start(
    env: Record<string, string> = {},
    prepare: (home: string) => void = () => undefined,
    through: readonly string[] = [],
  ): Promise<World> {
    const world = new World(env, through);
    try {
      prepare(world.home);
      world.#plant();
      await world.ok(["daemon", "start"]);
      world.#idle = await world.#settledOpen();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Node's own copy would fill the holes of sparse files. */
  #plant(): void {
    const seed = process.env.ISTHMUS_TEST_SEED;
    if (seed === undefined) return;
    const parts = ["kernels", "engine", "images", "disks", "templates"];
    execFileSync("cp", ["-a", "--sparse=always", ...parts.map((part) => join(seed, part)), this.home]);
  }

  cli(args: readonly string[], options: { input?: Buffer | string; env?: Record<string, string> } = {}): Promise<CliResult> {
    return new Promise((done, fail) => {
      const [program = "", ...words] = [...this.#through, join(ROOT, "isthmus"), ...args];
      const child = spawn(program, words, { env: { ...this.env, ...options.env }, stdio: ["pipe", "pipe", "pipe"] });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      let size = 0;
      child.stdout.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size <= OUTPUT_BYTES_MAX) out.push(chunk);
      });
      child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
      child.stdin.on("error", () => undefined);
      child.stdin.end(options.input ?? "");
      child.on("error", fail);
      child.on("close", (code, signal) => {
        const stdout = Buffer.concat(out);
        done({ code: code ?? (signal ? 255 : 254), stdout, stderr: Buffer.concat(err).toString(), text: stdout.toString().trim() });
      });
    });
  }

  /** A command that must succeed, outside of a test. */
  async run(args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.cli(args);
    if (code !== 0) throw new IsthmusError("INTERNAL", { reason: `${args.join(" ")} ended with ${code}: ${stderr}` });
  }

  /** A command that must succeed; its stdout as text. */
  async ok(args: readonly string[], options: { input?: Buffer | string } = {}): Promise<string> {
    const result = await this.cli(args, options);
    expect(`${args.join(" ")} → ${result.code} ${result.code === 0 ? "" : result.stderr}`.trim()).toBe(`${args.join(" ")} → 0`);
    return result.text;
  }

  async daemonPid(): Promise<number> {
    return (await this.isthmus.version()).pid;
  }

  /** kill -9, then waits until the process is gone. */
  async killDaemon(): Promise<void> {
    const pid = await this.daemonPid();
    process.kill(pid, "SIGKILL");
    while (lives(pid)) await sleep(5);
  }

  async machines(): Promise<Machine[]> {
    const all: Machine[] = [];
    for await (const machine of this.isthmus.machines.list({ all: true })) all.push(machine);
    return all;
  }

  async removeAll(): Promise<void> {
    for (const { id } of await this.machines())
      await this.isthmus.machines.remove(id, { force: true }).catch((error: unknown) => {
        if (!hasCode(error, "MACHINE_NOT_FOUND")) throw error;
      });
  }

  /** What the daemon has open; inotify, which libuv keeps once it was needed, does not count. */
  async open(): Promise<readonly string[]> {
    return openIn(await this.daemonPid(), this.home).filter((to) => to !== "anon_inode:inotify");
  }

  /** The same once the work of its start is done: it does not change any more, and none of its programs runs. */
  async #settledOpen(): Promise<readonly string[]> {
    const pid = await this.daemonPid();
    let same = 0;
    let seen = await this.open();
    while (same < 3) {
      await sleep(80);
      const now = await this.open();
      same = childrenOf(pid).length === 0 && now.join() === seen.join() ? same + 1 : 0;
      seen = now;
    }
    return seen;
  }

  /** Without machines the daemon holds what it held at first, and of machines there is nothing on the disk. */
  async #expectIdle(): Promise<void> {
    const left = () => ["machines", "run/m", "images/tmp"].flatMap((folder) => filesIn(join(this.home, folder)));
    for (let round = 0; round < 300 && left().length > 0; round += 1) await sleep(50);
    expect(left()).toEqual([]);
    const same = async () => (await this.open()).join() === this.#idle?.join();
    for (let round = 0; round < 300 && this.#idle && !(await same()); round += 1) await sleep(50);
    if (this.#idle) expect(await this.open(), "open in a daemon without machines").toEqual(this.#idle);
  }

  /** Processes on this host whose command line names this world's home. */
  processes(): { pid: number; command: string }[] {
    return readdirSync("/proc").flatMap((entry) => {
      if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return [];
      try {
        const command = readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        const environment = readFileSync(`/proc/${entry}/environ`, "utf8");
        return command.includes(this.home) || environment.includes(this.home) ? [{ pid: Number(entry), command }] : [];
      } catch {
        return [];
      }
    });
  }

  /** Processes of machines, which work in their folders; not clones that wait, nor what QEMU's version is asked of. */
  engines(): number[] {
    return this.processes()
      .filter(({ pid, command }) => command.includes("qemu-system") && folderOf(pid).startsWith(join(this.home, "machines")))
      .map(({ pid }) => pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (existsSync(this.socket)) {
        await this.removeAll();
        await this.#expectIdle();
        await this.ok(["daemon", "stop"]);
      }
      for (let round = 0; round < 600 && this.processes().length > 0; round += 1) await sleep(50);
      expect(this.processes()).toEqual([]);
      expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(this.home);
    } finally {
      for (const { pid } of this.processes()) process.kill(pid, "SIGKILL");
      rmSync(this.home, { recursive: true, force: true });
    }
  }
}

function folderOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

/** Bytes that no compressor or text conversion leaves alone, the same for the same seed (xorshift32). */
export function noise(bytes: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = seed || 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state >>> 0;
  }
  return Buffer.from(words.buffer, 0, bytes);
}

/** False once it has ended, also when nobody has waited for it. */
function lives(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

/** Polls until `probe` gives a value; the last error or a plain statement after `ms`. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined>, ms = 60_000): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    expect(Date.now(), `${what} within ${ms} ms`).toBeLessThan(deadline);
    await sleep(50);
  }
}
