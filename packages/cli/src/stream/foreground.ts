import { hasCode, IsthmusError } from "@isthmus/contract";
import type { Isthmus, MachineHandle, Session } from "@isthmus/sdk";
import { BROKEN_PIPE_GRACE_MS, exitCodes } from "../config.ts";
import type { Context } from "../context.ts";
import { ReaderGone } from "../terminal/write.ts";
import { pumpInput } from "./input.ts";
import { rawTerminal } from "./raw-terminal.ts";
import { forwardSignals } from "./signals.ts";
import { outputSink } from "./sink.ts";

export interface ForegroundOptions {
  readonly tty: boolean;
  readonly interactive: boolean;
  /** end of its last run, when it had one: only what comes after is this run's output */
  readonly after?: string;
  /** remove the machine when it does not even start */
  readonly removeOnFailure: boolean;
}

/** What ended the session: the output did (and with it the machine), the detach keys, or the start was called off by Ctrl-C. */
type Ending = "ended" | "detached" | "interrupted";

/**
 * Starts a machine and is its terminal until it ends; gives its exit code. The output is read from the output file; of a first run it is opened before the
 * start, so that nothing is lost of a short one that removes itself. Throws what `start` throws, and DAEMON_UNREACHABLE; the machine itself goes on then.
 */
export async function runForeground(context: Context, isthmus: Isthmus, id: string, options: ForegroundOptions): Promise<number> {
  const handle = isthmus.machines.handle(id);
  const run = new ForegroundRun(context, handle, options);
  try {
    const ending = await run.follow();
    if (ending === "detached") {
      run.close();
      context.note("\ndetached; the machine goes on");
      return exitCodes.ok;
    }
    if (ending === "interrupted") return exitCodes.interrupted;
    const exit = await handle.wait();
    await run.sink.exit(exit);
    return exit.code;
  } catch (error) {
    if (run.pipeBroken) return exitCodes.brokenPipe;
    throw error;
  } finally {
    run.close();
  }
}

class ForegroundRun {
  readonly sink: ReturnType<typeof outputSink>;
  pipeBroken = false;
  readonly #context: Context;
  readonly #handle: MachineHandle;
  readonly #options: ForegroundOptions;
  readonly #over = new AbortController();
  readonly #detached = Promise.withResolvers<void>();
  readonly #cleanups: (() => void)[] = [];
  #started = false;
  #interrupted = false;

  constructor(context: Context, handle: MachineHandle, options: ForegroundOptions) {
    this.#context = context;
    this.#handle = handle;
    this.#options = options;
    this.sink = outputSink(context);
  }

  async follow(): Promise<Ending> {
    this.#cleanups.push(forwardSignals(this.#context.world, { send: (name) => this.#signal(name), kill: () => this.#kill() }));
    // Following a machine that has ended would end at once, and the file of one that ran before stays.
    const early = this.#options.after === undefined ? this.#copyOutput() : undefined;
    early?.catch(() => undefined);
    try {
      await this.#handle.start({ signal: this.#over.signal });
    } catch (error) {
      this.#over.abort();
      if (this.#options.removeOnFailure) await this.#handle.remove({ force: true }).catch(() => undefined);
      if (this.#interrupted) return "interrupted";
      throw error;
    }
    this.#started = true;
    if (this.pipeBroken) this.#signal("SIGPIPE");
    const output = early ?? this.#copyOutput();
    const input = this.#join();
    return await Promise.race([
      output.then((): Ending => "ended"),
      input.then(() => this.#detached.promise).then((): Ending => "detached"),
    ]);
  }

  close(): void {
    this.#over.abort();
    for (const cleanup of this.#cleanups.splice(0).reverse()) cleanup();
  }

  async #copyOutput(): Promise<void> {
    for await (const { stream, bytes } of this.#handle.rawLogs({ follow: true, since: this.#options.after, signal: this.#over.signal })) {
      // A workload whose reader left is drained to its end, else it would stand still.
      if (this.pipeBroken) continue;
      await this.sink.write(stream, bytes).catch((error: unknown) => this.#readerGone(error));
    }
  }

  /** What a shell does to a program whose reader left: SIGPIPE. One that takes no notice is left alone after a moment. */
  #readerGone(error: unknown): void {
    if (!(error instanceof ReaderGone)) throw error;
    this.pipeBroken = true;
    if (this.#started) this.#signal("SIGPIPE");
    const timer = setTimeout(() => this.#over.abort(), BROKEN_PIPE_GRACE_MS);
    this.#cleanups.push(() => clearTimeout(timer));
  }

  /** Our input and the size of our terminal go through an attach session; its copy of the output is not needed. */
  async #join(): Promise<void> {
    const { tty, interactive } = this.#options;
    if (!tty && !interactive) return;
    let session: Session;
    try {
      session = await this.#handle.attach({ stdin: interactive, signal: this.#over.signal });
    } catch (error) {
      if (this.#over.signal.aborted || hasCode(error, "STATE_CONFLICT", "MACHINE_NOT_FOUND")) return;
      throw error;
    }
    session.stdout.resume();
    session.stderr.resume();
    this.#cleanups.push(() => session.close());
    const { world } = this.#context;
    if (tty) this.#cleanups.push(rawTerminal(world, { raw: interactive, onSize: ({ columns, rows }) => session.resize(columns, rows) }));
    if (!interactive) return;
    const pump = pumpInput(world.stdin, session.stdin, { detachable: tty });
    this.#cleanups.push(() => pump.stop());
    pump.detached.then(this.#detached.resolve, () => undefined);
  }

  #signal(name: string): void {
    if (this.#started) this.#quietly(this.#handle.kill({ killSignal: name }));
    else {
      this.#interrupted = true;
      this.#quietly(this.#handle.stop({ timeoutMs: 0 }));
    }
  }

  #kill(): void {
    this.#quietly(this.#handle.kill({ killSignal: "SIGKILL" }));
  }

  /** A signal that comes too late is no news: how the machine ended is told anyway. */
  #quietly(request: Promise<unknown>): void {
    request.catch((error: unknown) => {
      if (!hasCode(error, "STATE_CONFLICT", "MACHINE_NOT_FOUND", "CANCELLED"))
        this.#context.note(`isthmus: ${IsthmusError.from(error).message}`);
    });
  }
}
