import { type Channel, channels, IsthmusError, parseSignal } from "@isthmus/contract";
import type { WorkloadInput } from "@isthmus/core";
import type { WebSocket } from "ws";
import { OUTPUT_MESSAGE_BYTES, SOCKET_BUFFER_BYTES, SOCKET_INPUT_BYTES, SOCKET_PING_MS } from "./config.ts";
import { echo } from "./validation.ts";

/** The server's end of an exec or attach socket: messages to a workload's input, output to messages, back-pressure both ways. */
export class SessionLink {
  /** Settles with the payload of the first message when it is `START`. */
  readonly start: Promise<Buffer>;
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal;
  readonly #socket: WebSocket;
  readonly #start = Promise.withResolvers<Buffer>();
  readonly #input = Promise.withResolvers<WorkloadInput>();
  #waitingBytes = 0;
  #writes: Promise<void> = Promise.resolve();

  constructor(socket: WebSocket) {
    this.#socket = socket;
    const gone = new AbortController();
    this.gone = gone.signal;
    this.start = this.#start.promise;
    this.start.catch(() => undefined);
    this.#input.promise.catch(() => undefined);
    // A peer that vanished while it is pushed back on shows only when something is sent.
    const ping = setInterval(() => socket.ping(), SOCKET_PING_MS);
    socket.on("close", () => {
      clearInterval(ping);
      const cause = new IsthmusError("CANCELLED", { what: "the session" });
      this.#start.reject(cause);
      this.#input.reject(cause);
      gone.abort(cause);
    });
    // An unclean end shows as `close`.
    socket.on("error", () => undefined);
    socket.on("message", (data, isBinary) => this.#received(data, isBinary));
  }

  /** From now on, and with all that came before, input goes here. */
  join(input: WorkloadInput, started: Readonly<Record<string, unknown>>): void {
    this.#sendJson("started", started);
    this.#input.resolve(input);
  }

  /** Sends output until it ends or the client is gone; resolves when the socket has taken it. */
  async pump(channel: "stdout" | "stderr", chunks: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of chunks) {
      if (this.gone.aborted) return;
      await this.output(channel, chunk);
    }
  }

  async output(channel: "stdout" | "stderr", chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += OUTPUT_MESSAGE_BYTES) {
      const piece = chunk.subarray(at, at + OUTPUT_MESSAGE_BYTES);
      const sent = this.#send(Buffer.concat([Buffer.of(channels[channel]), piece]));
      if (this.#socket.bufferedAmount > SOCKET_BUFFER_BYTES) await sent;
    }
  }

  /** The last word: how the process ended. */
  finish(exit: Readonly<Record<string, unknown>>): void {
    this.#sendJson("exit", exit);
    this.#socket.close(1000);
  }

  /** The last word: what went wrong. */
  fail(cause: IsthmusError): void {
    this.#sendJson("error", cause.toBody());
    this.#socket.close(1000);
  }

  /** Ends the connection after `ms`, whether the client has said goodbye or not. */
  cut(ms: number): void {
    setTimeout(() => this.#socket.terminate(), ms).unref();
  }

  #sendJson(channel: Channel, value: unknown): void {
    void this.#send(Buffer.concat([Buffer.of(channels[channel]), Buffer.from(JSON.stringify(value))]));
  }

  /** Never rejects: who is gone shows in `gone`. */
  #send(message: Buffer): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.send(message, { binary: true }, () => resolve());
    });
  }

  #received(data: unknown, isBinary: boolean): void {
    if (!isBinary || !Buffer.isBuffer(data) || data.length === 0) {
      this.#refuse("a message that is not binary, or empty");
      return;
    }
    const payload = data.subarray(1);
    switch (data[0]) {
      case channels.start:
        this.#start.resolve(payload);
        break;
      case channels.stdin:
        this.#queue(payload);
        break;
      case channels.resize:
        this.#resize(payload);
        break;
      case channels.signal:
        this.#signal(payload);
        break;
      default:
        this.#refuse(`channel ${data[0]}`);
    }
  }

  #refuse(reason: string): void {
    const cause = new IsthmusError("PROTOCOL", { reason });
    this.#start.reject(cause);
    this.#input.reject(cause);
    this.fail(cause);
  }

  #queue(payload: Buffer): void {
    this.#waitingBytes += payload.length + 1;
    if (this.#waitingBytes > SOCKET_INPUT_BYTES) this.#socket.pause();
    this.#writes = this.#writes.then(async () => {
      try {
        const input = await this.#input.promise;
        await (payload.length > 0 ? input.write(payload) : input.end());
      } catch {
        // A process that takes no more input says how it ended with its exit.
      }
      this.#waitingBytes -= payload.length + 1;
      if (this.#waitingBytes <= SOCKET_INPUT_BYTES) this.#socket.resume();
    });
  }

  #resize(payload: Buffer): void {
    const { columns, rows } = parseObject(payload);
    if (isSize(columns) && isSize(rows)) this.#tell((input) => input.resize(columns, rows));
    else this.#refuse("a RESIZE without columns and rows from 1 to 65535");
  }

  #signal(payload: Buffer): void {
    const { signal } = parseObject(payload);
    const number = typeof signal === "number" || typeof signal === "string" ? parseSignal(String(signal)) : undefined;
    if (number === undefined) this.#refuse(`signal ${echo(signal)}`);
    else this.#tell((input) => input.signal(number));
  }

  /** Ahead of input that waits: an interrupt must get through to a process that does not read. */
  #tell(action: (input: WorkloadInput) => Promise<void>): void {
    this.#input.promise.then(action).catch(() => undefined);
  }
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** The JSON object of a message; empty when it is none. */
export function parseObject(payload: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(payload.toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
