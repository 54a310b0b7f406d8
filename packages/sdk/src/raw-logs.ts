import type { IncomingMessage } from "node:http";
import { channels, IsthmusError } from "@isthmus/contract";
import { RAW_RECORD_BYTES } from "./config.ts";
import { cancelled, unreachable } from "./failures.ts";
import { type Call, parseError, type Transport } from "./transport.ts";

/** A piece of a machine's output, byte for byte as the workload wrote it. */
export interface RawChunk {
  /** which of its outputs */
  readonly stream: "stdout" | "stderr";
  /** not cut at lines */
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

/** Nothing is copied: a record is handed out in the pieces in which it arrives. */
async function* records(answer: IncomingMessage): AsyncGenerator<RawChunk, void, undefined> {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  let left = 0;
  const failure: Buffer[] = [];
  for await (const piece of answer) {
    const chunk: Buffer = piece;
    for (let at = 0; at < chunk.length; ) {
      if (headerBytes < HEADER_BYTES) {
        const copied = chunk.copy(header, headerBytes, at, at + HEADER_BYTES - headerBytes);
        headerBytes += copied;
        at += copied;
        if (headerBytes < HEADER_BYTES) break;
        left = checkedLength(header);
      }
      const bytes = chunk.subarray(at, at + left);
      at += bytes.length;
      left -= bytes.length;
      if (left === 0) headerBytes = 0;
      const channel = header[0] ?? -1;
      if (channel === channels.error) {
        failure.push(bytes);
        if (left === 0) throw parseError(`{"error":${Buffer.concat(failure).toString("utf8")}}`, 200);
      } else if (bytes.length > 0) yield { stream: channel === channels.stdout ? "stdout" : "stderr", bytes };
    }
  }
  if (headerBytes > 0) throw new IsthmusError("PROTOCOL", { reason: "the log stream ends inside a record" });
}

function checkedLength(header: Buffer): number {
  const channel = header[0] ?? -1;
  if (channel !== channels.stdout && channel !== channels.stderr && channel !== channels.error)
    throw new IsthmusError("PROTOCOL", { reason: `log channel ${channel}` });
  const length = header.readUInt32BE(1);
  if (length > RAW_RECORD_BYTES) throw new IsthmusError("PROTOCOL", { reason: `a log record of ${length} bytes` });
  return length;
}
