import { IsthmusError } from "@isthmus/contract";
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES, GREETING_MAGIC } from "./config.ts";

export const frameTypes = { hello: 1, request: 2, reply: 3, data: 4, credit: 5, exit: 6, event: 7 } as const;
export const stdio = { stdin: 0, stdout: 1, stderr: 2 } as const;

export type FrameName = keyof typeof frameTypes;

/** bits 0–1 of the flags of DATA and CREDIT: the channel */
export const CHANNEL_MASK = 0b11;
/** bit 7 of the flags of DATA: last frame of its channel */
export const END_FLAG = 0b1000_0000;

const names: ReadonlyMap<number, FrameName> = new Map([
  [frameTypes.hello, "hello"],
  [frameTypes.request, "request"],
  [frameTypes.reply, "reply"],
  [frameTypes.data, "data"],
  [frameTypes.credit, "credit"],
  [frameTypes.exit, "exit"],
  [frameTypes.event, "event"],
]);
const flagsOf: Readonly<Record<FrameName, number>> = {
  hello: 0,
  request: 0,
  reply: 0,
  data: CHANNEL_MASK | END_FLAG,
  credit: CHANNEL_MASK,
  exit: 0,
  event: 0,
};

export interface Frame {
  readonly type: FrameName;
  readonly flags: number;
  readonly stream: number;
  /** shares memory with what was pushed */
  readonly payload: Buffer;
}

/** An error of the other side of the protocol: the session is not to be used any more. */
export function violation(reason: string): IsthmusError {
  return new IsthmusError("AGENT_PROTOCOL", { reason });
}

/** One frame as bytes. The payload must be within `FRAME_PAYLOAD_BYTES`. */
export function encodeFrame(type: FrameName, stream: number, payload: Uint8Array, flags = 0): Buffer {
  if (payload.length > FRAME_PAYLOAD_BYTES) {
    throw new IsthmusError("TOO_LARGE", { field: `${type} frame`, value: payload.length, limit: FRAME_PAYLOAD_BYTES });
  }
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  bytes.writeUInt32LE(payload.length, 0);
  bytes.writeUInt8(frameTypes[type], 4);
  bytes.writeUInt8(flags, 5);
  bytes.writeUInt32LE(stream, 8);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

function header(bytes: Buffer): { type: FrameName; flags: number; stream: number; length: number } {
  const length = bytes.readUInt32LE(0);
  const type = names.get(bytes.readUInt8(4));
  const flags = bytes.readUInt8(5);
  if (length > FRAME_PAYLOAD_BYTES) throw violation(`a frame of ${length} bytes, limit ${FRAME_PAYLOAD_BYTES}`);
  if (type === undefined) throw violation(`unknown frame type ${bytes.readUInt8(4)}`);
  if (bytes.readUInt16LE(6) !== 0 || (flags & ~flagsOf[type]) !== 0) throw violation(`reserved bits set in a ${type} frame`);
  return { type, flags, stream: bytes.readUInt32LE(8), length };
}

/** Where the frame begins, behind the magic of a greeting if one lies before it. Its first bytes are the length of no frame. */
function start(bytes: Buffer): number {
  return bytes.subarray(0, GREETING_MAGIC.length).equals(GREETING_MAGIC) ? GREETING_MAGIC.length : 0;
}

/** True while bytes are missing that tell a greeting's magic from the header of a frame. */
function isUndecided(bytes: Buffer): boolean {
  return bytes.length < GREETING_MAGIC.length && bytes.equals(GREETING_MAGIC.subarray(0, bytes.length));
}

/** Frames out of a byte stream that may be cut anywhere; holds back less than one frame. An agent that greets anew is heard: its greeting is a frame `hello`. */
export class FrameDecoder {
  #held: Buffer = Buffer.alloc(0);

  /** Bytes of a frame whose end was not seen. */
  get pendingBytes(): number {
    return this.#held.length;
  }

  /** The frames that `chunk` completes, one by one. Throws AGENT_PROTOCOL at the first bad header; the decoder is then of no more use. */
  *push(chunk: Buffer): Generator<Frame, void, void> {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    try {
      while (!isUndecided(bytes)) {
        bytes = bytes.subarray(start(bytes));
        if (bytes.length < FRAME_HEADER_BYTES) break;
        const { type, flags, stream, length } = header(bytes);
        const end = FRAME_HEADER_BYTES + length;
        if (bytes.length < end) break;
        const payload = bytes.subarray(FRAME_HEADER_BYTES, end);
        bytes = bytes.subarray(end);
        yield { type, flags, stream, payload };
      }
    } finally {
      this.#held = bytes.length === 0 ? Buffer.alloc(0) : Buffer.from(bytes);
    }
  }
}
