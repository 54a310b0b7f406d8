import { hasCode } from "@isthmus/contract";
import type { MachineHandle, Session } from "@isthmus/sdk";
import type { Context } from "../context.ts";
import { type InputPump, pumpInput } from "./input.ts";
import type { Lifeline } from "./lifeline.ts";
import { rawTerminal } from "./raw-terminal.ts";

export interface InputSessionOptions {
  readonly tty: boolean;
  readonly interactive: boolean;
  readonly signal: AbortSignal;
  /** a machine that has ended already is no error */
  readonly endedIsFine: boolean;
}

/**
 * Our input and the size of our terminal, through an attach session whose copy of the output is not needed; a new session with each next daemon. Input that
 * was on its way when a daemon died may be lost.
 */
export class InputSession {
  /** Resolves when the detach keys were typed; else never. */
  readonly detached: Promise<void>;
  readonly #detached = Promise.withResolvers<void>();
  readonly #context: Context;
  readonly #handle: MachineHandle;
  readonly #lifeline: Lifeline;
  readonly #options: InputSessionOptions;
  #session: Session | undefined;
  #pump: InputPump | undefined;
  #restore: (() => void) | undefined;

  constructor(context: Context, handle: MachineHandle, lifeline: Lifeline, options: InputSessionOptions) {
    this.#context = context;
    this.#handle = handle;
    this.#lifeline = lifeline;
    this.#options = options;
    this.detached = this.#detached.promise;
  }

  /** Resolves when it has joined, or there is nothing to join. Throws NOT_INTERACTIVE, STATE_CONFLICT and other refusals. */
  async join(): Promise<void> {
    const { tty, interactive, signal, endedIsFine } = this.#options;
    if (!tty && !interactive) return;
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#use(await this.#handle.attach({ stdin: interactive, signal }));
        return;
      } catch (cause) {
        if (signal.aborted || (endedIsFine && hasCode(cause, "STATE_CONFLICT", "MACHINE_NOT_FOUND"))) return;
        if (!hasCode(cause, "DAEMON_UNREACHABLE", "SHUTTING_DOWN")) throw cause;
        await this.#lifeline.reconnect({ cause, attempt, signal });
      }
    }
  }

  close(): void {
    this.#restore?.();
    this.#restore = undefined;
    this.#pump?.stop();
    this.#session?.close();
  }

  #use(session: Session): void {
    const { tty, interactive } = this.#options;
    const { world } = this.#context;
    session.stdout.resume();
    session.stderr.resume();
    this.#session = session;
    this.#restore?.();
    if (tty) this.#restore = rawTerminal(world, { raw: interactive, onSize: ({ columns, rows }) => this.#session?.resize(columns, rows) });
    if (interactive) {
      this.#pump = pumpInput(world.stdin, session.stdin, { detachable: tty });
      this.#pump.detached.then(this.#detached.resolve, () => undefined);
    }
    session.exit.catch((error: unknown) => this.#rejoin(error));
  }

  /** Whatever goes wrong from here on shows in the output, which has its own connection. */
  #rejoin(error: unknown): void {
    if (this.#options.signal.aborted || !hasCode(error, "DAEMON_UNREACHABLE", "SHUTTING_DOWN")) return;
    this.#pump?.stop();
    this.join().catch(() => undefined);
  }
}
