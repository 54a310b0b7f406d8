import type { IncomingMessage } from "node:http";
import { channels, IsthmusError, LOG_PLACE_CHANNEL } from "@isthmus/contract";
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

/** How far a reader has come, for the next connection to go on there. */
export interface RawPlace {
  /** place after the last whole record; undefined before the first */
  next?: number;
  /** the record that is being handed out: the place after it, and its bytes so far */
  current?: { readonly next: number; bytes: number };
}

const HEADER_BYTES = 5;
const PLACE_BYTES = 8;

/** Records of a raw log stream: a channel byte, the length as u32 big-endian, the bytes. What `place` says was handed out already is left out. */
export async function* rawRecords(transport: Transport, call: Call, place: RawPlace = {}): AsyncGenerator<RawChunk, void, undefined> {
  const answer = await transport.send(call);
  try {
    yield* new RecordReader(place).read(answer);
  } catch (cause) {
    throw call.signal?.aborted ? cancelled(call, cause) : unreachable(transport.address, cause);
  } finally {
    answer.destroy();
  }
}

/** Nothing is copied: a record is handed out in the pieces in which it arrives. */
class RecordReader {
  readonly #place: RawPlace;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** bytes of the record that are still to come */
  #left = 0;
  /** bytes of the record that an earlier connection brought */
  #skip = 0;
  /** content of a record that is ours, not output */
  #own: Buffer[] = [];

  constructor(place: RawPlace) {
    this.#place = place;
  }

  async *read(answer: IncomingMessage): AsyncGenerator<RawChunk, void, undefined> {
    for await (const piece of answer) {
      const chunk: Buffer = piece;
      for (let at = 0; at < chunk.length; ) {
        at += this.#readHeader(chunk, at);
        if (this.#headerBytes < HEADER_BYTES) break;
        const bytes = chunk.subarray(at, at + this.#left);
        at += bytes.length;
        this.#left -= bytes.length;
        if (this.#left === 0) this.#headerBytes = 0;
        const stream = this.#outputOf(bytes);
        const fresh = stream ? this.#count(bytes) : bytes;
        if (stream && fresh.length > 0) yield { stream, bytes: fresh };
      }
    }
    if (this.#headerBytes > 0) throw new IsthmusError("PROTOCOL", { reason: "the log stream ends inside a record" });
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#headerBytes === HEADER_BYTES) return 0;
    const copied = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes);
    this.#headerBytes += copied;
    if (this.#headerBytes === HEADER_BYTES) this.#left = checkedLength(this.#header);
    return copied;
  }

  /** Which output the bytes are of; undefined when they are of a record of ours, which is read when it is whole. Throws what the server says. */
  #outputOf(bytes: Buffer): RawChunk["stream"] | undefined {
    const channel = this.#header[0];
    if (channel === channels.stdout) return "stdout";
    if (channel === channels.stderr) return "stderr";
    this.#own.push(bytes);
    if (this.#left > 0) return undefined;
    const content = Buffer.concat(this.#own);
    this.#own = [];
    if (channel === channels.error) throw parseError(`{"error":${content.toString("utf8")}}`, 200);
    this.#announce(content);
    return undefined;
  }

  #announce(content: Buffer): void {
    if (content.length !== PLACE_BYTES) throw new IsthmusError("PROTOCOL", { reason: `a place of ${content.length} bytes` });
    const next = Number(content.readBigUInt64BE());
    const { current } = this.#place;
    this.#skip = current?.next === next ? current.bytes : 0;
    this.#place.current = { next, bytes: this.#skip };
  }

  /** What is new of these bytes of the record. */
  #count(bytes: Buffer): Buffer {
    const fresh = bytes.subarray(this.#skip);
    this.#skip -= bytes.length - fresh.length;
    const { current } = this.#place;
    if (!current) return fresh;
    current.bytes += fresh.length;
    if (this.#left === 0) {
      this.#place.next = current.next;
      this.#place.current = undefined;
    }
    return fresh;
  }
}

const known: readonly number[] = [channels.stdout, channels.stderr, channels.error, LOG_PLACE_CHANNEL];

function checkedLength(header: Buffer): number {
  const channel = header[0] ?? -1;
  if (!known.includes(channel)) throw new IsthmusError("PROTOCOL", { reason: `log channel ${channel}` });
  const length = header.readUInt32BE(1);
  if (length > RAW_RECORD_BYTES) throw new IsthmusError("PROTOCOL", { reason: `a log record of ${length} bytes` });
  return length;
}
