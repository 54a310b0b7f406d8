import { type Duplex, duplexPair } from "node:stream";
import { GREETING_MAGIC } from "./config.ts";
import { type JsonObject, parseControl } from "./control.ts";
import { encodeFrame, type Frame, FrameDecoder } from "./frames.ts";

/** The guest's side of a session, for tests: greets, keeps every frame, answers as it is told. */
export class FakeAgent {
  readonly host: Duplex;
  readonly #guest: Duplex;
  readonly frames: Frame[] = [];
  readonly #decoder = new FrameDecoder();
  #onFrame: (frame: Frame) => void = () => {};
  #arrived = Promise.withResolvers<void>();

  constructor() {
    const [host, guest] = duplexPair();
    this.host = host;
    this.#guest = guest;
    guest.on("error", () => {});
    guest.on("data", (chunk: Buffer) => {
      for (const frame of this.#decoder.push(chunk)) {
        const kept = { ...frame, payload: Buffer.from(frame.payload) };
        this.frames.push(kept);
        this.#onFrame(kept);
        this.#arrived.resolve();
        this.#arrived = Promise.withResolvers<void>();
      }
    });
  }

  greet(fields: JsonObject = {}): void {
    const hello = { protocol: 1, session: 7, version: "0.1.0", state: "idle", kernel: "6.1.0", ...fields };
    this.raw(GREETING_MAGIC);
    this.send("hello", 0, hello);
  }

  raw(bytes: Uint8Array): void {
    this.#guest.write(bytes);
  }

  send(type: Frame["type"], stream: number, payload: JsonObject | Uint8Array, flags = 0): void {
    const bytes = payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload));
    this.raw(encodeFrame(type, stream, bytes, flags));
  }

  credit(stream: number, bytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(bytes);
    this.send("credit", stream, payload);
  }

  /** Calls `answer` with each request. */
  onRequest(answer: (request: JsonObject, stream: number) => void): void {
    this.#onFrame = (frame) => {
      if (frame.type === "request") answer(parseControl(frame.payload, "REQUEST"), frame.stream);
    };
  }

  /** Resolves once a frame that `matches` was received. */
  async seen(matches: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(matches);
      if (found !== undefined) return found;
      await this.#arrived.promise;
    }
  }

  /** Payload bytes of DATA received on `stream`. */
  received(stream: number): Buffer {
    return Buffer.concat(this.frames.filter((frame) => frame.type === "data" && frame.stream === stream).map((frame) => frame.payload));
  }

  vanish(): void {
    this.#guest.destroy();
    this.host.destroy();
  }
}
