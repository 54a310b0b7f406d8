import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError, isErrorCode } from "@isthmus/contract";
import { CONNECT_MS, LINE_BYTES, RETRY_MS } from "./config.ts";
import { endNow } from "./end-now.ts";
import { Lines } from "./lines.ts";
import { patience } from "./patience.ts";

/** What one kind of process says. */
export interface Dialect<Reply extends Numbered> {
  /** what errors call the process: gateway */
  readonly name: string;
  /** that its first line names */
  readonly protocol: number;
  /** Throws PROTOCOL. */
  readReply(line: string): Reply;
  /** of the request that a reply answers; undefined for what is told unasked */
  seqOf(reply: Reply): number | undefined;
  /** Takes what is told unasked. */
  told?(reply: Reply): void;
}

/** The least that lines of a process have. */
export interface Numbered {
  readonly type: string;
  readonly protocol?: number;
  readonly pid?: number;
  readonly error?: { readonly code: string; readonly message: string; readonly details?: unknown };
}

interface Waiting<Reply> {
  readonly seq: number;
  readonly settle: (reply: Reply | IsthmusError) => void;
}

/** The daemon's end of a process of ours, which lives on when this is closed or its daemon ends. */
export class ControlClient<Reply extends Numbered> {
  readonly pid: number;
  /** its first line */
  readonly hello: Reply;
  /** Settles when the connection is over: the process ended, or `close` was called. Never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #dialect: Dialect<Reply>;
  readonly #waiting: Waiting<Reply>[] = [];
  #over: IsthmusError | undefined;

  private constructor(socket: Socket, dialect: Dialect<Reply>, hello: Reply, lines: Lines) {
    this.#socket = socket;
    this.#dialect = dialect;
    this.hello = hello;
    this.pid = hello.pid ?? 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on("data", (chunk: Buffer) => this.#onData(lines, chunk));
    socket.on("close", () => {
      this.#end(new IsthmusError("PROTOCOL", { reason: `the ${dialect.name} closed the connection` }));
      resolve();
    });
  }

  /** Connects to a process that runs, waiting a while for it to listen. Throws TIMEOUT, PROTOCOL. */
  static async attach<Reply extends Numbered>(path: string, dialect: Dialect<Reply>, signal?: AbortSignal): Promise<ControlClient<Reply>> {
    const giveUpAt = performance.now() + CONNECT_MS;
    for (;;) {
      const client = await ControlClient.find(path, dialect);
      if (client) return client;
      if (performance.now() > giveUpAt || signal?.aborted)
        throw new IsthmusError("TIMEOUT", { what: `connecting to the ${dialect.name} at ${path}`, limit: CONNECT_MS });
      await sleep(RETRY_MS);
    }
  }

  /** Connects to a process if one listens now. Throws PROTOCOL when it is of another version, none of ours, or says nothing. */
  static find<Reply extends Numbered>(path: string, dialect: Dialect<Reply>): Promise<ControlClient<Reply> | undefined> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const lines = new Lines(LINE_BYTES);
      // One that is stopped or hangs takes connections all the same.
      const callOff = patience(CONNECT_MS, () => {
        socket.destroy();
        reject(new IsthmusError("PROTOCOL", { reason: `the ${dialect.name} says nothing` }));
      });
      socket.once("error", () => resolve(undefined));
      socket.once("close", () => {
        callOff();
        resolve(undefined);
      });
      socket.once("data", (chunk: Buffer) => {
        callOff();
        try {
          const [first = "", ...rest] = lines.push(chunk);
          const hello = dialect.readReply(first);
          if (hello.type !== "hello" || hello.protocol !== dialect.protocol)
            throw new IsthmusError("PROTOCOL", { reason: `it is no ${dialect.name} of this version` });
          socket.removeAllListeners().on("error", () => socket.destroy());
          const client = new ControlClient(socket, dialect, hello, lines);
          for (const line of rest) client.#onLine(line);
          resolve(client);
        } catch (error) {
          socket.destroy();
          reject(error);
        }
      });
    });
  }

  /**
   * Sends a request, gives the reply with its `seq`. Throws what the process refuses it with, PROTOCOL when it ended, TIMEOUT after `limit` ms, of which those that this process
   * itself was stopped for are not the other's.
   */
  ask(request: unknown, seq: number, limit: number, what: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(this.#over);
      const callOff = patience(limit, () => waiting.settle(new IsthmusError("TIMEOUT", { what, limit })));
      const waiting: Waiting<Reply> = {
        seq,
        settle: (reply) => {
          callOff();
          const place = this.#waiting.indexOf(waiting);
          if (place !== -1) this.#waiting.splice(place, 1);
          if (reply instanceof IsthmusError) reject(reply);
          else resolve(reply);
        },
      };
      this.#waiting.push(waiting);
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Ends the process at once. */
  kill(): void {
    // While it is connected, its id is nobody else's.
    if (!this.#over) endNow(this.pid);
  }

  /** Leaves the process, which goes on. */
  close(): void {
    this.#socket.destroy();
  }

  #onData(lines: Lines, chunk: Buffer): void {
    try {
      for (const line of lines.push(chunk)) this.#onLine(line);
    } catch (error) {
      this.#end(IsthmusError.from(error));
      this.#socket.destroy();
    }
  }

  #onLine(line: string): void {
    const reply = this.#dialect.readReply(line);
    if (reply.type === "hello") return;
    const seq = this.#dialect.seqOf(reply);
    if (seq === undefined) {
      this.#dialect.told?.(reply);
      return;
    }
    this.#waiting.find((one) => one.seq === seq)?.settle(reply.error === undefined ? reply : refusalOf(reply.error));
  }

  #end(why: IsthmusError): void {
    if (this.#over) return;
    this.#over = why;
    for (const waiting of [...this.#waiting]) waiting.settle(why);
  }
}

function refusalOf({ code, message, details }: NonNullable<Numbered["error"]>): IsthmusError {
  return isErrorCode(code) ? IsthmusError.fromBody({ code, message, details }) : new IsthmusError("PROTOCOL", { reason: message });
}
