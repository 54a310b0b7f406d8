import { type ChildProcessByStdio, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import type { ExecSpec } from "@isthmus/contract";
import type { GuestStream } from "@isthmus/core";

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** A process of the host that stands for one in a guest: real pipes that push back, a real exit. */
export class FakeProcess implements GuestStream {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<{ readonly code: number; readonly signal?: number }>;
  readonly signals: number[] = [];
  readonly sizes: string[] = [];
  closed = false;
  readonly #child: Child;

  constructor(spec: ExecSpec) {
    const [program = "true", ...args] = spec.command;
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { PATH: "/usr/bin:/bin", ...spec.env } });
    this.pid = this.#child.pid ?? 0;
    this.stdout = this.#child.stdout;
    this.stderr = this.#child.stderr;
    this.#child.stdin.on("error", () => undefined);
    this.exit = new Promise((resolve) => {
      this.#child.once("error", () => resolve({ code: 127 }));
      this.#child.once("exit", (code, name) => {
        const signal = name === null ? undefined : constants.signals[name];
        resolve(signal === undefined ? { code: code ?? 0 } : { code: 128 + signal, signal });
      });
    });
    if (!spec.stdin) this.#child.stdin.end();
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => this.#child.stdin.write(bytes, (error) => (error ? reject(error) : resolve())));
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
  }

  async resize(columns: number, rows: number): Promise<void> {
    this.sizes.push(`${columns}x${rows}`);
  }

  async signal(signal: number): Promise<void> {
    this.signals.push(signal);
    this.#child.kill(signal);
  }

  close(): void {
    this.closed = true;
  }
}
