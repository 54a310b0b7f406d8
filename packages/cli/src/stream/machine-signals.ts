import { hasCode, IsthmusError } from "@isthmus/contract";
import type { MachineHandle } from "@isthmus/sdk";
import type { Context } from "../context.ts";
import type { Lifeline } from "./lifeline.ts";
import { forwardSignals } from "./signals.ts";

/** Our signals, given to the machine's workload. While no daemon runs they wait for the next one, and a second Ctrl-C leaves. */
export class MachineSignals {
  /** Resolves when a second Ctrl-C came while no daemon ran. */
  readonly left: Promise<void>;
  /** a signal called the start off */
  interrupted = false;
  running: boolean;
  readonly #context: Context;
  readonly #handle: MachineHandle;
  readonly #lifeline: Lifeline;
  readonly #left = Promise.withResolvers<void>();
  readonly #unhook: () => void;

  constructor(context: Context, handle: MachineHandle, lifeline: Lifeline, running: boolean) {
    this.#context = context;
    this.#handle = handle;
    this.#lifeline = lifeline;
    this.running = running;
    this.left = this.#left.promise;
    this.#unhook = forwardSignals(context.world, { send: (name) => this.send(name), kill: () => this.#kill() });
  }

  started(): void {
    this.running = true;
  }

  send(name: string): void {
    if (!this.running) this.interrupted = true;
    const { lost } = this.#lifeline;
    if (lost !== undefined) {
      this.#context.note(`isthmus: no daemon answers; ${name} is kept for the workload. Ctrl-C again leaves, and the machine goes on`);
      lost.then(() => this.#deliver(name)).catch(() => undefined);
    } else this.#deliver(name);
  }

  close(): void {
    this.#unhook();
  }

  #deliver(name: string): void {
    this.#quietly(this.running ? this.#handle.kill({ killSignal: name }) : this.#handle.stop({ timeoutMs: 0 }));
  }

  #kill(): void {
    if (this.#lifeline.lost !== undefined) this.#left.resolve();
    else this.#quietly(this.#handle.kill({ killSignal: "SIGKILL" }));
  }

  /** A signal that comes too late is no news: how the machine ended is told anyway. */
  #quietly(request: Promise<unknown>): void {
    request.catch((error: unknown) => {
      if (!hasCode(error, "STATE_CONFLICT", "MACHINE_NOT_FOUND", "CANCELLED"))
        this.#context.note(`isthmus: ${IsthmusError.from(error).message}`);
    });
  }
}
