/**
 * Frames of RFC 6455 as a client sees them: what it sends is masked, what it gets is not.
 *
 *   byte 0: FIN, RSV1-3, opcode    byte 1: MASK, length 0-125, or 126 (u16 follows), or 127 (u64 follows)
 */
import { randomFillSync } from "node:crypto";
import { IsthmusError } from "@isthmus/contract";

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

const MASK_POOL_BYTES = 8192;
/** Control frames may not be longer (RFC 6455, 5.5). */
const CONTROL_BYTES = 125;
const pool = Buffer.allocUnsafeSlow(MASK_POOL_BYTES);
let poolAt = MASK_POOL_BYTES;

function nextMask(): number {
  if (poolAt >= MASK_POOL_BYTES) {
    randomFillSync(pool);
    poolAt = 0;
  }
  poolAt += 4;
  return poolAt - 4;
}

/** One whole masked frame of the parts in a row. */
export function encodeFrame(opcode: number, parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = (length < 126 ? 2 : length < 65_536 ? 4 : 10) + 4;
  // The payload begins on a multiple of 4 so that it can be masked in words.
  const lead = (4 - (head % 4)) % 4;
  const memory = Buffer.allocUnsafeSlow(lead + head + length);
  const frame = memory.subarray(lead);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head === 8) frame.writeUInt16BE(length, 2);
  if (head === 14) frame.writeBigUInt64BE(BigInt(length), 2);
  pool.copy(frame, head - 4, nextMask(), poolAt);
  let at = head;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  mask(memory, lead + head);
  return frame;
}

/** Applies the four bytes before `start` to all bytes from `start`, a multiple of 4. */
function mask(memory: Buffer, start: number): void {
  const words = new Uint32Array(memory.buffer, start - 4, Math.floor((memory.length - start) / 4) + 1);
  const key = words[0] ?? 0;
  for (let index = 1; index < words.length; index += 1) words[index] = (words[index] ?? 0) ^ key;
  for (let at = start + (words.length - 1) * 4; at < memory.length; at += 1)
    memory[at] = (memory[at] ?? 0) ^ (memory[start - 4 + (at % 4)] ?? 0);
}

function broken(reason: string): IsthmusError {
  return new IsthmusError("PROTOCOL", { reason: `WebSocket: ${reason}` });
}

/** Cuts what a server sends into frames. Copies each byte at most once more than it arrived. */
export class FrameReader {
  readonly #limitBytes: number;
  #chunks: Buffer[] = [];
  #size = 0;

  /** Frames over `limitBytes` are refused. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /** The next whole frame, undefined until more has come. Throws PROTOCOL. */
  next(): Frame | undefined {
    const start = this.#peek(2);
    if (!start) return undefined;
    const [first = 0, second = 0] = start;
    const short = second & 0x7f;
    if ((first & 0x70) !== 0) throw broken("reserved bits are set");
    if ((second & 0x80) !== 0) throw broken("a server's frame is masked");
    const head = short === 126 ? 4 : short === 127 ? 10 : 2;
    const header = this.#peek(head);
    if (!header) return undefined;
    const length = head === 2 ? short : head === 4 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2));
    const opcode = first & 0x0f;
    const final = (first & 0x80) !== 0;
    if (opcode >= 8 && (!final || length > CONTROL_BYTES)) throw broken("a control frame is split or too long");
    if (length > this.#limitBytes) throw broken(`a frame of ${length} bytes, limit ${this.#limitBytes}`);
    if (this.#size < head + length) return undefined;
    const bytes = this.#take(head + length);
    return { final, opcode, payload: bytes.subarray(head) };
  }

  #peek(count: number): Buffer | undefined {
    if (this.#size < count) return undefined;
    return this.#joined(count);
  }

  #take(count: number): Buffer {
    const whole = this.#joined(count);
    const rest = whole.subarray(count);
    this.#chunks.shift();
    if (rest.length > 0) this.#chunks.unshift(rest);
    this.#size -= count;
    return whole.subarray(0, count);
  }

  #joined(count: number): Buffer {
    const first = this.#chunks[0];
    if (first && first.length >= count) return first;
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }
}
