import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentSession } from "@isthmus/agent-client";

const POLL_MS = 1;
const DEADLINE_MS = 60_000;

/** One QEMU in a folder of its own; gone, folder and all, when disposed of. */
export class RawQemu implements AsyncDisposable {
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(folder: string, child: ChildProcess) {
    this.folder = folder;
    this.#child = child;
    this.#closed = new Promise((done) => child.once("close", done));
  }

  /** `argumentsFor` gets the folder; the file at `state` is open for QEMU as descriptor 3; `through` is what its command is begun by, as `nsenter` is. */
  static async spawn(
    home: string,
    argumentsFor: (folder: string) => readonly string[],
    { state, through = [] }: { readonly state?: string; readonly through?: readonly string[] } = {},
  ): Promise<RawQemu> {
    const folder = await mkdtemp(join(home, "raw-"));
    const file = state === undefined ? undefined : await open(state, "r");
    const stdio = ["ignore", "ignore", "inherit", ...(file ? [file.fd] : [])] as const;
    const [program = "", ...words] = [...through, "qemu-system-x86_64", ...argumentsFor(folder)];
    // A session of its own, as an engine process has: the kernel shares processors between sessions (autogroup), and guests that share the bench's get other shares than machines.
    const child = spawn(program, words, { stdio: [...stdio], detached: true });
    await file?.close();
    return new RawQemu(folder, child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async agent(): Promise<AgentSession> {
    return await AgentSession.open(await this.#connected("agent.sock"), { name: "raw", greetingDeadlineMs: DEADLINE_MS });
  }

  async monitor(): Promise<Monitor> {
    return new Monitor(await this.#connected("qmp.sock"));
  }

  /** Resolves once the workload's output holds `text`. */
  async printed(text: string): Promise<void> {
    const output = join(this.folder, "output");
    while (!existsSync(output) || !readFileSync(output).includes(text)) await sleep(POLL_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
    await rm(this.folder, { recursive: true, force: true });
  }

  /** QEMU makes its sockets some time after its start, and takes connections some time after that. */
  async #connected(name: string): Promise<Socket> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const socket = connect(join(this.folder, name));
      try {
        await once(socket, "connect");
        return socket;
      } catch (error) {
        if (performance.now() >= deadline || this.#child.exitCode !== null) throw error;
      }
      await sleep(POLL_MS);
    }
  }
}

/** QEMU's machine protocol, as little of it as is needed: commands are sent at once and awaited by what they answer. */
class Monitor {
  readonly #socket: Socket;
  #text = "";
  #changed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      this.#text += text;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    });
    socket.on("error", () => {});
    this.send("qmp_capabilities");
  }

  send(execute: string, args: object = {}): void {
    this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
  }

  /** Sends a command and waits until QEMU has said `pattern`. Throws QEMU's refusal. */
  async run(execute: string, args: object, pattern: RegExp): Promise<void> {
    this.#text = "";
    this.send(execute, args);
    while (!pattern.test(this.#text)) {
      if (this.#text.includes('"error"')) throw new Error(`QEMU refused ${execute}: ${this.#text}`);
      await this.#changed.promise;
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
