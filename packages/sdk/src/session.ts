import { Readable, Writable } from "node:stream";
import { type Channel, channels, type ExecSpec, IsthmusError, parseSignal, STREAM_MESSAGE_BYTES } from "@isthmus/contract";
import type { Address } from "./address.ts";
import { OUTPUT_BUFFER_BYTES, STDIN_CHUNK_BYTES } from "./config.ts";
import { cancelled, lost, unreachable } from "./failures.ts";
import type { ProcessExit, Session } from "./options.ts";
import { parseError } from "./transport.ts";
import { connect, type Target } from "./websocket/connect.ts";
import type { ClientSocket } from "./websocket/socket.ts";

export interface SessionTarget extends Target {
  /** what to run; absent for attach */
  readonly start?: ExecSpec;
}

/** Opens an exec or attach session; resolves when the process is joined. Throws the daemon's error, DAEMON_UNREACHABLE, CANCELLED, PROTOCOL. */
export async function openSession(address: Address, target: SessionTarget): Promise<Session> {
  const socket = await connect(address, target, STREAM_MESSAGE_BYTES);
  const session = new SocketSession(address, target, socket);
  await session.started;
  return session;
}

class SocketSession implements Session {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<ProcessExit>;
  readonly started: Promise<void>;
  pid?: number;
  readonly #socket: ClientSocket;
  readonly #full = new Set<Readable>();
  readonly #exit = Promise.withResolvers<ProcessExit>();
  readonly #started = Promise.withResolvers<void>();
  #over = false;

  constructor(address: Address, target: SessionTarget, socket: ClientSocket) {
    this.#socket = socket;
    this.exit = this.#exit.promise;
    this.started = this.#started.promise;
    // A caller that reads the output only must not die of an exit that it never asked for.
    this.exit.catch(() => undefined);
    this.stdin = this.#input();
    this.stdout = this.#output();
    this.stderr = this.#output();
    const abort = () => {
      this.#fail(cancelled(target, target.signal?.reason));
      socket.destroy();
    };
    target.signal?.addEventListener("abort", abort, { once: true });
    socket.start({
      message: (bytes) => this.#message(bytes),
      closed: (cause) => {
        target.signal?.removeEventListener("abort", abort);
        this.#fail(cause === undefined ? lost(address) : unreachable(address, cause));
      },
    });
    if (target.start) this.#send("start", target.start);
    if (target.signal?.aborted) abort();
  }

  resize(columns: number, rows: number): void {
    this.#send("resize", { columns, rows });
  }

  kill(signal: string | number): void {
    const number = parseSignal(String(signal));
    if (number === undefined)
      throw new IsthmusError("INVALID_REQUEST", { field: "signal", value: String(signal), reason: "no such signal" });
    this.#send("signal", { signal: number });
  }

  close(): void {
    this.#fail(new IsthmusError("CANCELLED", { what: "the session" }));
    this.#socket.close();
  }

  #send(channel: Channel, value: unknown): void {
    this.#socket.send([Buffer.of(channels[channel]), Buffer.from(JSON.stringify(value))]);
  }

  #input(): Writable {
    const channel = Buffer.of(channels.stdin);
    const stdin = new Writable({
      highWaterMark: STDIN_CHUNK_BYTES,
      decodeStrings: true,
      write: (chunk: Buffer, _encoding, done) => {
        const last = Math.max(0, Math.ceil(chunk.length / STDIN_CHUNK_BYTES) - 1);
        for (let index = 0; index <= last; index += 1) {
          const piece = chunk.subarray(index * STDIN_CHUNK_BYTES, (index + 1) * STDIN_CHUNK_BYTES);
          // An empty message would end the input.
          if (piece.length === 0) done();
          else this.#socket.send([channel, piece], index === last ? done : undefined);
        }
      },
      final: (done) => this.#socket.send([channel], () => done()),
    });
    // Whoever writes to a process that has ended learns it from `exit`.
    stdin.on("error", () => undefined);
    return stdin;
  }

  #output(): Readable {
    const stream = new Readable({
      highWaterMark: OUTPUT_BUFFER_BYTES,
      read: () => {
        if (this.#full.delete(stream) && this.#full.size === 0) this.#socket.resume();
      },
    });
    return stream;
  }

  #deliver(stream: Readable, bytes: Buffer): void {
    if (bytes.length === 0 || stream.destroyed || stream.readableEnded || stream.push(bytes)) return;
    this.#full.add(stream);
    this.#socket.pause();
  }

  #message(bytes: Buffer): void {
    const payload = bytes.subarray(1);
    const channel = bytes[0];
    if (channel === channels.stdout) this.#deliver(this.stdout, payload);
    else if (channel === channels.stderr) this.#deliver(this.stderr, payload);
    else if (channel === channels.started) this.#join(payload);
    else if (channel === channels.error) this.#fail(parseError(`{"error":${payload.toString("utf8")}}`, 200));
    else if (channel === channels.exit) {
      this.#exit.resolve(JSON.parse(payload.toString("utf8")));
      this.#end();
    } else throw new IsthmusError("PROTOCOL", { reason: `session channel ${channel}` });
  }

  #join(payload: Buffer): void {
    const body: unknown = payload.length > 0 ? JSON.parse(payload.toString("utf8")) : {};
    if (typeof body === "object" && body !== null && "pid" in body && typeof body.pid === "number") this.pid = body.pid;
    this.#started.resolve();
  }

  #fail(cause: IsthmusError): void {
    if (this.#over) return;
    this.#started.reject(cause);
    this.#exit.reject(cause);
    this.#end();
  }

  /** Both outputs end after a failure as well, so that no reader hangs; `exit` says what happened. */
  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.stdout.push(null);
    this.stderr.push(null);
    this.stdin.destroy();
    this.#full.clear();
    this.#socket.resume();
  }
}
