import type { IncomingMessage } from "node:http";
import { channels, IsthmusError } from "@isthmus/contract";
import { RAW_RECORD_BYTES } from "./config.ts";
import { cancelled, unreachable } from "./failures.ts";
import { type Call, parseError, type Transport } from "./transport.ts";

/** A piece of a machine's output, byte for byte as the workload wrote it. */
export interface RawChunk {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Buffer;
}

const HEADER_BYTES = 5;

/** Records of a raw log stream: a channel byte, the length as u32 big-endian, the bytes. */
export async function* rawRecords(transport: Transport, call: Call): AsyncGenerator<RawChunk, void, undefined> {
  const answer = await transport.send(call);
  try {
    yield* records(answer);
  } catch (cause) {
    throw call.signal?.aborted ? cancelled(call, cause) : unreachable(transport.address, cause);
  } finally {
    answer.destroy();
  }
}

async function* records(answer: IncomingMessage): AsyncGenerator<RawChunk, void, undefined> {
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of answer) {
    const chunk: Buffer = piece;
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    let at = 0;
    while (held.length - at >= HEADER_BYTES) {
      const length = held.readUInt32BE(at + 1);
      if (length > RAW_RECORD_BYTES) throw new IsthmusError("PROTOCOL", { reason: `a log record of ${length} bytes` });
      if (held.length - at - HEADER_BYTES < length) break;
      const start = at + HEADER_BYTES;
      const record = chunkOf(held[at] ?? -1, held.subarray(start, start + length));
      at = start + length;
      yield record;
    }
    held = held.subarray(at);
  }
  if (held.length > 0) throw new IsthmusError("PROTOCOL", { reason: "the log stream ends inside a record" });
}

function chunkOf(channel: number, bytes: Buffer): RawChunk {
  if (channel === channels.stdout) return { stream: "stdout", bytes };
  if (channel === channels.stderr) return { stream: "stderr", bytes };
  if (channel === channels.error) throw parseError(`{"error":${bytes.toString("utf8")}}`, 200);
  throw new IsthmusError("PROTOCOL", { reason: `log channel ${channel}` });
}
