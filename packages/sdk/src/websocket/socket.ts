import type { Duplex } from "node:stream";
import { IsthmusError } from "@isthmus/contract";
import { CLOSE_TIMEOUT_MS } from "../config.ts";
import { encodeFrame, type Frame, FrameReader, opcodes } from "./frames.ts";

export interface SocketHandlers {
  /** one whole binary message */
  message(bytes: Buffer): void;
  /** Nothing more will come. `cause` is absent when the connection just ended. */
  closed(cause: Error | undefined): void;
}

const NORMAL_CLOSURE = 1000;
const PROTOCOL_ERROR = 1002;

/** The client's end of an open WebSocket. Messages are binary; a text message breaks the protocol. */
export class ClientSocket {
  readonly #stream: Duplex;
  readonly #reader: FrameReader;
  readonly #limitBytes: number;
  readonly #early: Buffer;
  #handlers: SocketHandlers | undefined;
  #pieces: Buffer[] = [];
  #piecesBytes = 0;
  #inMessage = false;
  #paused = false;
  #closing = false;

  /** `early` is what came along with the answer to the handshake. */
  constructor(stream: Duplex, early: Buffer, limitBytes: number) {
    this.#stream = stream;
    this.#early = early;
    this.#limitBytes = limitBytes;
    this.#reader = new FrameReader(limitBytes);
  }

  /** Begins to hand out what arrives. */
  start(handlers: SocketHandlers): void {
    this.#handlers = handlers;
    this.#stream.on("data", (chunk: Buffer) => this.#arrived(chunk));
    this.#stream.on("error", (cause) => this.#finish(cause));
    this.#stream.on("close", () => this.#finish(undefined));
    this.#stream.on("end", () => this.#stream.end());
    this.#arrived(this.#early);
  }

  /** Sends one binary message; `sent` is called when the operating system took it. */
  send(parts: readonly Uint8Array[], sent?: (error?: Error | null) => void): void {
    if (this.#closing || this.#stream.destroyed) sent?.(new IsthmusError("PROTOCOL", { reason: "the WebSocket is closed" }));
    else this.#stream.write(encodeFrame(opcodes.binary, parts), sent);
  }

  /** Takes no more messages until `resume`; the server is pushed back on. */
  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  /** Goes on after `pause`. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#arrived(Buffer.alloc(0));
    if (!this.#paused) this.#stream.resume();
  }

  /** Closes in order; the connection is cut when the server does not answer. */
  close(code = NORMAL_CLOSURE): void {
    if (this.#closing) return;
    this.#closing = true;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#stream.end(encodeFrame(opcodes.close, [payload]));
    this.#paused = false;
    this.#stream.resume();
    const timer = setTimeout(() => this.#stream.destroy(), CLOSE_TIMEOUT_MS);
    timer.unref();
    this.#stream.once("close", () => clearTimeout(timer));
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#stream.destroy();
  }

  #arrived(chunk: Buffer): void {
    this.#reader.push(chunk);
    try {
      while (!this.#paused) {
        const frame = this.#reader.next();
        if (!frame) return;
        this.#take(frame);
      }
    } catch (cause) {
      this.#finish(IsthmusError.from(cause));
      this.close(PROTOCOL_ERROR);
    }
  }

  #take(frame: Frame): void {
    if (frame.opcode === opcodes.ping) {
      if (!this.#closing) this.#stream.write(encodeFrame(opcodes.pong, [frame.payload]));
      return;
    }
    if (frame.opcode === opcodes.pong) return;
    if (frame.opcode === opcodes.close) {
      if (!this.#closing) this.close(NORMAL_CLOSURE);
      return;
    }
    const expected = this.#inMessage ? opcodes.continuation : opcodes.binary;
    if (frame.opcode !== expected) throw new IsthmusError("PROTOCOL", { reason: `WebSocket: opcode ${frame.opcode} out of place` });
    this.#pieces.push(frame.payload);
    this.#piecesBytes += frame.payload.length;
    if (this.#piecesBytes > this.#limitBytes) throw new IsthmusError("PROTOCOL", { reason: "WebSocket: the message is too long" });
    this.#inMessage = !frame.final;
    if (!frame.final) return;
    const message = this.#pieces.length === 1 ? frame.payload : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#handlers?.message(message);
  }

  #finish(cause: Error | undefined): void {
    const handlers = this.#handlers;
    this.#handlers = undefined;
    handlers?.closed(cause);
  }
}
