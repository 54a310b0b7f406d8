import { IsthmusError } from "@isthmus/contract";
import type { LogChunk, LogOptions } from "../actions.ts";
import { type Context, find, waitingSignal } from "../context.ts";
import { type Handle, isFinal } from "../handle.ts";
import { removeWhenRead } from "../lifecycle/auto-remove.ts";
import type { MachineRecord, OutputRecord } from "../ports.ts";

const NS_PER_MS = 1_000_000n;

/** See `Machines.logs`. */
export async function* readLogs(context: Context, ref: string, options: LogOptions = {}): AsyncGenerator<LogChunk, void, undefined> {
  const { handle, record } = find(context, ref);
  const waiting = waitingSignal(context, options.signal, "reading the output");
  handle.readers += 1;
  try {
    const follow = options.follow === true;
    if (follow && !(await begun(handle, record, waiting.signal))) return;
    if (!(await context.folders.has(handle.id))) return;
    const over = follow ? endOf(context, handle, record, waiting.signal) : undefined;
    const records = context.output.read(context.folders.outputPath(handle.id), {
      follow,
      until: over,
      sinceNs: options.sinceMs === undefined ? undefined : BigInt(Math.trunc(options.sinceMs)) * NS_PER_MS,
      tailLines: options.tailLines,
      fromOffset: options.from ?? (options.latest ? context.store.machine(handle.id)?.boot.bootOffset : undefined),
      signal: waiting.signal,
    });
    yield* chunks(records, options.streams ?? ["stdout", "stderr"]);
    if (isEnded(context, handle)) handle.outputSeen = true;
  } catch (error) {
    if (!waiting.signal.aborted) throw error;
  } finally {
    waiting.done();
    handle.readers -= 1;
    if (isEnded(context, handle)) removeWhenRead(context, handle);
  }
}

/** True once there is output to be read; false when the machine ended without having run. */
async function begun(handle: Handle, first: MachineRecord, signal: AbortSignal): Promise<boolean> {
  const state = await handle.until(
    first,
    (record) => {
      if (record === undefined) throw new IsthmusError("MACHINE_NOT_FOUND", { ref: first.machine.name });
      return record.machine.state === "requested" || record.machine.state === "queued" ? undefined : record.machine.state;
    },
    signal,
  );
  return state !== "refused";
}

/** Settles when the machine has ended for good, is removed, or nobody reads any more; never rejects. */
function endOf(context: Context, handle: Handle, first: MachineRecord, signal: AbortSignal): Promise<void> {
  const present = handle.removed ? undefined : context.store.machine(handle.id);
  return handle
    .until(present ?? first, (record) => (record === undefined || isFinal(record) ? true : undefined), signal)
    .then(
      () => undefined,
      () => undefined,
    );
}

function isEnded(context: Context, handle: Handle): boolean {
  return !handle.removed && !context.closing.signal.aborted && isFinal(context.store.machine(handle.id));
}

async function* chunks(records: AsyncIterable<OutputRecord>, streams: readonly string[]): AsyncGenerator<LogChunk, void, undefined> {
  for await (const { kind, payload, timeNs, nextOffset: next } of records) {
    if (kind === "stdout" || kind === "stderr") {
      if (streams.includes(kind)) yield { stream: kind, timeNs, bytes: payload, next };
    } else if (kind === "dropped") {
      yield { stream: "system", timeNs, bytes: Buffer.from(`output is missing here: ${payload.toString("utf8")}\n`), next };
    }
  }
}
