import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  type EgressDenial,
  type GatewayReply,
  type GatewayRequest,
  type GatewayState,
  hasCode,
  IsthmusError,
  isErrorCode,
} from "@isthmus/contract";
import {
  CLIENT_APPLY_MS,
  CLIENT_CONNECT_MS,
  CLIENT_RETRY_MS,
  CLIENT_STOP_MS,
  CLIENT_UNREAD,
  GATEWAY_PROTOCOL,
  NODE_OPTIONS,
  PASSED_VARIABLES,
  REQUEST_LINE_BYTES,
} from "./config.ts";
import { Lines } from "./control/lines.ts";
import { readReply } from "./control/messages.ts";
import { endNow } from "./end-now.ts";
import { evict } from "./evict.ts";

/** The gateway's program: its source, or beside this in the bundle (docs/adr/0006). */
const PROGRAM = import.meta.filename.endsWith(".ts")
  ? fileURLToPath(new URL("./main.ts", import.meta.url))
  : join(import.meta.dirname, "gateway.js");

export interface GatewayPlace {
  /** name of the network's namespace, as `ip netns` knows it */
  readonly namespace: string;
  /** path of its control socket, in a folder of its own that only the daemon's user may enter */
  readonly socket: string;
  /** file that its notes are added to */
  readonly log: string;
}

interface Waiting {
  readonly seq: number;
  readonly settle: (error?: IsthmusError) => void;
}

/** The daemon's end of a network's gateway. The gateway lives on when this is closed or its daemon ends. */
export class GatewayClient {
  readonly pid: number;
  /** Settles when the connection is over: the gateway ended, or `close` was called. Never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  readonly #denials: EgressDenial[] = [];
  #news = Promise.withResolvers<void>();
  #seq: number;
  #over: IsthmusError | undefined;

  private constructor(socket: Socket, pid: number, seq: number | null, lines: Lines) {
    this.#socket = socket;
    this.pid = pid;
    this.#seq = seq ?? 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on("data", (chunk: Buffer) => this.#onData(lines, chunk));
    socket.on("close", () => {
      this.#end(new IsthmusError("PROTOCOL", { reason: "the gateway closed the connection" }));
      resolve();
    });
  }

  /**
   * Starts a gateway in a namespace and connects to it. The process outlives this one. Throws HOST_COMMAND_FAILED with the end of its log when it does not come up, TIMEOUT.
   */
  static async start(place: GatewayPlace): Promise<GatewayClient> {
    const log = await open(place.log, "a", 0o600);
    try {
      const args = ["netns", "exec", place.namespace, process.execPath, ...NODE_OPTIONS, PROGRAM, "--socket", place.socket];
      const env = Object.fromEntries(PASSED_VARIABLES.map((name) => [name, process.env[name]]));
      const child = spawn("ip", args, { detached: true, stdio: ["ignore", log.fd, log.fd], env, cwd: "/" });
      const ended = new Promise<string>((resolve) => {
        child.once("error", (error) => resolve(error.message));
        child.once("exit", (code, signal) => resolve(`it ended with ${signal ?? `status ${code}`}`));
      });
      child.unref();
      const gone = new AbortController();
      const failed = ended.then((reason) => {
        gone.abort();
        throw new IsthmusError("HOST_COMMAND_FAILED", { program: "gateway", reason: `${reason}; see ${place.log}` });
      });
      failed.catch(() => undefined);
      return await Promise.race([GatewayClient.attach(place.socket, gone.signal), failed]);
    } finally {
      await log.close();
    }
  }

  /** The gateway of a place: the one that runs there, else a new one. One of another version is ended first; its rules stay until the new one has a state. Throws as `start`. */
  static async open(place: GatewayPlace): Promise<GatewayClient> {
    try {
      const found = await GatewayClient.#once(place.socket);
      if (found) return found;
    } catch (error) {
      if (!hasCode(error, "PROTOCOL")) throw error;
      await evict(place.socket);
    }
    return await GatewayClient.start(place);
  }

  /** Connects to a gateway that runs, waiting a while for it to listen. Throws TIMEOUT, PROTOCOL. */
  static async attach(path: string, signal?: AbortSignal): Promise<GatewayClient> {
    const giveUpAt = performance.now() + CLIENT_CONNECT_MS;
    for (;;) {
      const client = await GatewayClient.#once(path);
      if (client) return client;
      if (performance.now() > giveUpAt || signal?.aborted)
        throw new IsthmusError("TIMEOUT", { what: `connecting to the gateway at ${path}`, limit: CLIENT_CONNECT_MS });
      await sleep(CLIENT_RETRY_MS);
    }
  }

  /** Whether a gateway of this version listens there now. */
  static async isThere(path: string): Promise<boolean> {
    const client = await GatewayClient.#once(path).catch(() => undefined);
    client?.close();
    return client !== undefined;
  }

  static #once(path: string): Promise<GatewayClient | undefined> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const lines = new Lines(REQUEST_LINE_BYTES);
      socket.once("error", () => resolve(undefined));
      socket.once("close", () => resolve(undefined));
      socket.once("data", (chunk: Buffer) => {
        try {
          const [first = "", ...rest] = lines.push(chunk);
          const hello = readReply(first);
          if (hello.type !== "hello" || hello.protocol !== GATEWAY_PROTOCOL)
            throw new IsthmusError("PROTOCOL", { reason: "it is no gateway of this version" });
          socket.removeAllListeners().on("error", () => socket.destroy());
          const client = new GatewayClient(socket, hello.pid, hello.seq, lines);
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
   * Brings a state about, whole: what it does not name is gone. Settles when it is in force. Throws INVALID_REQUEST that names the field, HOST_COMMAND_FAILED, PROTOCOL when the gateway ended, TIMEOUT.
   */
  apply(state: GatewayState): Promise<void> {
    this.#seq += 1;
    return this.#ask({ type: "state", seq: this.#seq, state }, this.#seq, CLIENT_APPLY_MS, "a change of the gateway");
  }

  /** Has the gateway refuse everything, take its rules away and end. Throws TIMEOUT, HOST_COMMAND_FAILED. */
  async stop(): Promise<void> {
    await this.#ask({ type: "stop" }, -1, CLIENT_STOP_MS, "the end of the gateway");
    await this.closed;
  }

  /** What machines were refused, as it is told, about once a second; until the connection is over. One reader at a time. */
  async *denials(): AsyncGenerator<EgressDenial, void, undefined> {
    for (;;) {
      // One that stops reading leaves the rest to the next.
      for (let next = this.#denials.shift(); next; next = this.#denials.shift()) yield next;
      if (this.#over) return;
      await this.#news.promise;
    }
  }

  /** Ends the gateway's process at once; its rules stay. */
  kill(): void {
    // While it is connected, its id is nobody else's.
    if (!this.#over) endNow(this.pid);
  }

  /** Leaves the gateway, which goes on. */
  close(): void {
    this.#socket.destroy();
  }

  #ask(request: GatewayRequest, seq: number, limit: number, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(this.#over);
      const timer = setTimeout(() => waiting.settle(new IsthmusError("TIMEOUT", { what, limit })), limit);
      const waiting: Waiting = {
        seq,
        settle: (error) => {
          clearTimeout(timer);
          const place = this.#waiting.indexOf(waiting);
          if (place !== -1) this.#waiting.splice(place, 1);
          if (error) reject(error);
          else resolve();
        },
      };
      this.#waiting.push(waiting);
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
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
    const reply = readReply(line);
    if (reply.type === "denied") this.#keep(reply.denials);
    else if (reply.type !== "hello") this.#settle(reply);
  }

  #settle(reply: GatewayReply): void {
    const seq = reply.type === "stopped" ? -1 : reply.type === "applied" || reply.type === "refused" ? (reply.seq ?? -1) : undefined;
    const waiting = this.#waiting.find((one) => one.seq === seq);
    if (reply.type !== "refused") {
      waiting?.settle();
      return;
    }
    const { code, message, details } = reply.error;
    waiting?.settle(
      isErrorCode(code) ? IsthmusError.fromBody({ code, message, details }) : new IsthmusError("PROTOCOL", { reason: message }),
    );
  }

  /** Beyond the limit the oldest are forgotten: nobody reads them. */
  #keep(denials: readonly EgressDenial[]): void {
    this.#denials.push(...denials);
    if (this.#denials.length > CLIENT_UNREAD) this.#denials.splice(0, this.#denials.length - CLIENT_UNREAD);
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  #end(why: IsthmusError): void {
    if (this.#over) return;
    this.#over = why;
    for (const waiting of [...this.#waiting]) waiting.settle(why);
    this.#news.resolve();
  }
}
