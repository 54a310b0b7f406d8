import type { Isthmus } from "@isthmus/sdk";
import { AUTO_REMOVE_WAIT_MS, BROKEN_PIPE_GRACE_MS, exitCodes } from "../config.ts";
import type { Context } from "../context.ts";
import { ReaderGone } from "../terminal/write.ts";
import { InputSession } from "./input-session.ts";
import { Lifeline } from "./lifeline.ts";
import { MachineSignals } from "./machine-signals.ts";
import { outputSink } from "./sink.ts";
import { type OnFailure, type StartEnding, startShown } from "./start-machine.ts";

export interface ForegroundOptions {
  readonly tty: boolean;
  readonly interactive: boolean;
  /** Start it first; absent for a machine that runs already. */
  readonly start?: {
    /** it never ran before: all of its output is this run's */
    readonly first: boolean;
    /** the machine removes itself when it ends: be gone only after it */
    readonly autoRemove: boolean;
    readonly onFailure: OnFailure;
  };
  /** of a machine that runs already: begin with the output since its start */
  readonly logs?: boolean;
}

/** What ended it: the output did (and with it the machine), the detach keys, the start was called off by Ctrl-C, or it was left while no daemon ran. */
type Ending = "ended" | "detached" | Exclude<StartEnding, "started">;

/**
 * Is a machine's terminal until it ends, over any number of daemons; gives its exit code. The output is read from the output file; of a first run it is
 * opened before the start, so that nothing is lost of a short one that removes itself. Throws what `start` and `attach` throw, and DAEMON_START_FAILED when
 * the daemon was lost and cannot be started again; the machine itself goes on then.
 */
export async function runForeground(context: Context, isthmus: Isthmus, id: string, options: ForegroundOptions): Promise<number> {
  const run = new ForegroundRun(context, isthmus, id, options);
  try {
    const ending = await run.follow();
    if (ending === "ended") return await run.exitCode();
    run.close();
    if (ending === "detached") context.note("\ndetached; the machine goes on");
    if (ending === "left") context.note("left; the machine goes on");
    return ending === "detached" ? exitCodes.ok : exitCodes.interrupted;
  } catch (error) {
    if (run.pipeBroken) return exitCodes.brokenPipe;
    throw error;
  } finally {
    run.close();
  }
}

class ForegroundRun {
  pipeBroken = false;
  readonly #context: Context;
  readonly #sink: ReturnType<typeof outputSink>;
  readonly #handle: ReturnType<Isthmus["machines"]["handle"]>;
  readonly #options: ForegroundOptions;
  readonly #over = new AbortController();
  readonly #lasting: { readonly signal: AbortSignal; readonly reconnect: Lifeline["reconnect"] };
  readonly #input: InputSession;
  readonly #signals: MachineSignals;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: Context, isthmus: Isthmus, id: string, options: ForegroundOptions) {
    this.#context = context;
    this.#options = options;
    this.#sink = outputSink(context);
    this.#handle = isthmus.machines.handle(id);
    const lifeline = new Lifeline(context);
    const { signal } = this.#over;
    this.#lasting = { signal, reconnect: lifeline.reconnect };
    const { tty, interactive, start } = options;
    this.#input = new InputSession(context, this.#handle, lifeline, { tty, interactive, signal, endedIsFine: start !== undefined });
    this.#signals = new MachineSignals(context, this.#handle, lifeline, start === undefined);
  }

  async follow(): Promise<Ending> {
    const { start, logs } = this.#options;
    // Following a machine that has ended would end at once, and the file of one that ran before stays.
    const early = start?.first ? this.#copyOutput({}) : undefined;
    early?.catch(() => undefined);
    const left = this.#signals.left.then((): Ending => "left");
    if (start) {
      const parts = { signals: this.#signals, reconnect: this.#lasting.reconnect, over: this.#over, onFailure: start.onFailure };
      const ending = await startShown(this.#context, this.#handle, parts);
      if (ending !== "started") return ending;
      this.#signals.started();
      if (this.pipeBroken) this.#signals.send("SIGPIPE");
    }
    const output = early ?? this.#copyOutput(start || logs ? { latest: true } : { tail: 0 });
    // What became of the input is told once; a loss of the daemon after that is the input session's own affair.
    const input = this.#input.join();
    output.catch(() => undefined);
    return await Promise.race([
      output.then((): Ending => "ended"),
      input.then(() => this.#input.detached).then((): Ending => "detached"),
      left,
    ]);
  }

  async exitCode(): Promise<number> {
    const waiting = this.#handle.wait(this.#lasting).then(async (exit) => {
      await this.#sink.exit(exit);
      if (this.#options.start?.autoRemove) await this.#removed();
      return exit.code;
    });
    return await Promise.race([waiting, this.#signals.left.then(() => exitCodes.interrupted)]);
  }

  /** What comes after this command may take the name again at once. Another reader of the output may hold the removal up: that is not waited for. */
  async #removed(): Promise<void> {
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(AUTO_REMOVE_WAIT_MS)]);
    await this.#handle.waitFor("removed", { signal }).catch(() => undefined);
  }

  close(): void {
    this.#over.abort();
    clearTimeout(this.#timer);
    this.#input.close();
    this.#signals.close();
  }

  async #copyOutput(which: { readonly latest?: boolean; readonly tail?: number }): Promise<void> {
    for await (const { stream, bytes } of this.#handle.rawLogs({ follow: true, ...which, ...this.#lasting })) {
      // A workload whose reader left is drained to its end, else it would stand still.
      if (this.pipeBroken) continue;
      await this.#sink.write(stream, bytes).catch((error: unknown) => this.#readerGone(error));
    }
  }

  /** What a shell does to a program whose reader left: SIGPIPE. One that takes no notice is left alone after a moment. */
  #readerGone(error: unknown): void {
    if (!(error instanceof ReaderGone)) throw error;
    this.pipeBroken = true;
    if (this.#signals.running) this.#signals.send("SIGPIPE");
    this.#timer = setTimeout(() => this.#over.abort(), BROKEN_PIPE_GRACE_MS);
  }
}
