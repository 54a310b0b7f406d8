import { hasCode } from "@isthmus/contract";
import type { LastingOptions, MachineHandle } from "@isthmus/sdk";
import type { Context } from "../context.ts";
import { Lifeline } from "./lifeline.ts";
import { MachineSignals } from "./machine-signals.ts";
import { showQueuePlace } from "./queue-view.ts";

export interface Starting {
  readonly signals: MachineSignals;
  readonly reconnect?: LastingOptions["reconnect"];
  /** aborted when the start comes to nothing: ends what else was begun for this machine, such as a reader of its output, which would hold its removal up */
  readonly over: AbortController;
  readonly onFailure: OnFailure;
}

/** What becomes of a machine whose start failed: `undo` removes one that admission never let in, so that the same command can be given again. */
export type OnFailure = "keep" | "undo" | "remove";

/** What became of a start: Ctrl-C called it off, or it was left while no daemon ran. */
export type StartEnding = "started" | "interrupted" | "left";

/** Starts a machine, telling meanwhile where it stands in the queue. Throws as `start`. */
export async function startShown(context: Context, handle: MachineHandle, starting: Starting): Promise<StartEnding> {
  const { signals, onFailure, reconnect, over } = starting;
  const hide = showQueuePlace(context, handle);
  try {
    const left = signals.left.then((): StartEnding => "left");
    return await Promise.race([startMachine(handle, { reconnect, signal: over.signal }).then((): StartEnding => "started"), left]);
  } catch (error) {
    over.abort();
    if (await isUnwanted(handle, onFailure)) await handle.remove({ force: true }).catch(() => undefined);
    if (signals.interrupted) return "interrupted";
    throw error;
  } finally {
    hide();
  }
}

/** Starts a machine that nobody stays with, so nothing holds over the loss of the daemon: the next one finishes what was begun. Throws as `start`. */
export async function startDetached(context: Context, handle: MachineHandle, onFailure: OnFailure): Promise<StartEnding> {
  const over = new AbortController();
  const signals = new MachineSignals(context, handle, new Lifeline(context), false);
  try {
    return await startShown(context, handle, { signals, onFailure, over });
  } finally {
    over.abort();
    signals.close();
  }
}

async function isUnwanted(handle: MachineHandle, onFailure: OnFailure): Promise<boolean> {
  if (onFailure !== "undo") return onFailure === "remove";
  const state = await handle.inspect().then(
    (machine) => machine.state,
    () => undefined,
  );
  return state === "requested" || state === "refused";
}

/** Starts a machine; a start that a daemon left behind is finished by the next one. Returns also when the machine has run and ended meanwhile. Throws as `start`. */
async function startMachine(handle: MachineHandle, { reconnect, signal }: LastingOptions): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (attempt === 1) await handle.start({ signal });
      else await finishStart(handle, signal);
      return;
    } catch (cause) {
      if (!reconnect || signal?.aborted || !hasCode(cause, "DAEMON_UNREACHABLE", "SHUTTING_DOWN")) throw cause;
      await reconnect({ cause, attempt, signal });
    }
  }
}

async function finishStart(handle: MachineHandle, signal: AbortSignal | undefined): Promise<void> {
  try {
    const { state } = await handle.inspect({ signal });
    if (state === "requested") await handle.start({ signal });
    else await handle.waitFor("running", { signal });
  } catch (error) {
    // It has ended, and may be gone; how it ended is asked for later.
    if (!hasCode(error, "STATE_CONFLICT", "MACHINE_NOT_FOUND")) throw error;
  }
}
