import type { Duplex } from "node:stream";
import { IsthmusError } from "@isthmus/contract";
import {
  FRAME_PAYLOAD_BYTES,
  GREETING_DEADLINE_MS,
  PENDING_REQUESTS_MAX,
  REQUEST_DEADLINE_MS,
  STREAMS_MAX,
  WRITE_BUFFER_BYTES,
} from "./config.ts";
import { type JsonObject, parseControl, type RequestContext, refusal } from "./control.ts";
import { encodeFrame, type Frame, FrameDecoder, violation } from "./frames.ts";
import { type Greeting, greet } from "./greeting.ts";
import { AgentStream, type SendFrame, StreamInput } from "./stream.ts";

/** The stream of the workload's stdin; never a request. */
export const WORKLOAD_STREAM = 1;

export interface SessionOptions {
  /** machine, for the words of errors */
  readonly name: string;
  readonly greetingDeadlineMs?: number;
  readonly requestDeadlineMs?: number;
  /** gives up waiting for the greeting */
  readonly signal?: AbortSignal;
}

export interface RequestOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** what PATH_NOT_FOUND shall name */
  readonly path?: string;
}

export interface StreamOptions extends RequestOptions {
  /** of an archive: the output ends at the stream's exit, and breaks with what stderr says went wrong when that is not 0 */
  readonly transfer?: boolean;
}

interface Pending {
  readonly context: RequestContext;
  /** present when the request opens a stream */
  readonly stream?: AgentStream;
  readonly settle: (reply: JsonObject | IsthmusError) => void;
}

/** One session with the agent of a guest, from its greeting to the loss of the channel. */
export class AgentSession {
  readonly greeting: Greeting;
  /** Settles when the session is over, with the reason; never rejects. */
  readonly closed: Promise<IsthmusError>;
  /** The workload's stdin; its credit is what the agent grants in this session. */
  readonly workloadInput: StreamInput;
  readonly #duplex: Duplex;
  #name: string;
  readonly #requestDeadlineMs: number;
  readonly #decoder = new FrameDecoder();
  readonly #pending = new Map<number, Pending>();
  readonly #streams = new Map<number, AgentStream>();
  readonly #listeners = new Set<(event: JsonObject) => void>();
  readonly #settleClosed: (reason: IsthmusError) => void;
  #drained: PromiseWithResolvers<void> | undefined;
  #over: IsthmusError | undefined;
  #lastId = WORKLOAD_STREAM;

  private constructor(duplex: Duplex, greeting: Greeting, options: SessionOptions) {
    this.#duplex = duplex;
    this.greeting = greeting;
    this.#name = options.name;
    this.#requestDeadlineMs = options.requestDeadlineMs ?? REQUEST_DEADLINE_MS;
    // A running workload's credit comes in a CREDIT frame; one that starts in this session has the initial credit of a new stream.
    this.workloadInput = new StreamInput(WORKLOAD_STREAM, this.#send, greeting.state === "idle" ? undefined : 0);
    const { promise, resolve } = Promise.withResolvers<IsthmusError>();
    this.closed = promise;
    this.#settleClosed = resolve;
  }

  /** Waits for the greeting on `duplex` and opens the session. Throws AGENT_UNREACHABLE, AGENT_PROTOCOL, CANCELLED; `duplex` is then destroyed. */
  static async open(duplex: Duplex, options: SessionOptions): Promise<AgentSession> {
    const { greeting, rest } = await greet(duplex, { ...options, deadlineMs: options.greetingDeadlineMs ?? GREETING_DEADLINE_MS });
    const session = new AgentSession(duplex, greeting, options);
    duplex.on("data", (chunk: Buffer) => session.#read(chunk));
    duplex.on("drain", () => session.#onDrain());
    duplex.on("end", () => session.#lose("the channel was closed"));
    duplex.on("close", () => session.#lose("the channel was closed"));
    duplex.on("error", (cause) => session.#lose(cause.message, cause));
    if (rest.length > 0) session.#read(rest);
    if (duplex.destroyed) session.#lose("the channel was closed");
    duplex.resume();
    return session;
  }

  get open(): boolean {
    return this.#over === undefined;
  }

  /** The guest became another machine: errors name that. */
  rename(name: string): void {
    this.#name = name;
  }

  /** Called with each EVENT of the agent. Returns the way to stop. */
  onEvent(listener: (event: JsonObject) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * One request, one reply. Throws AGENT_REFUSED, PATH_NOT_FOUND, BAD_ARCHIVE or TOO_MANY_REQUESTS as the agent says, TOO_LARGE (over the frame limit),
   * AGENT_UNREACHABLE (no reply within the deadline, session lost), CANCELLED.
   */
  async request(op: string, fields: object = {}, options: RequestOptions = {}): Promise<JsonObject> {
    return await this.#ask(this.#newId(), op, fields, options);
  }

  /** A request whose id becomes a stream. When it is given up, its process is killed should the agent start it after all. */
  async openStream(op: string, fields: object, options: StreamOptions = {}): Promise<{ stream: AgentStream; reply: JsonObject }> {
    if (this.#streams.size + this.#pending.size >= STREAMS_MAX) {
      throw new IsthmusError("TOO_MANY_REQUESTS", { what: "streams of one machine", value: this.#streams.size + 1, limit: STREAMS_MAX });
    }
    const id = this.#newId();
    const stream = new AgentStream(id, { op, name: this.#name, path: options.path }, this.#send, options.transfer);
    return { stream, reply: await this.#ask(id, op, fields, options, stream) };
  }

  /** Ends the session; all that is open in it fails with AGENT_UNREACHABLE. The guest goes on. */
  close(): void {
    this.#lose("the session was closed");
  }

  async #ask(id: number, op: string, fields: object, options: RequestOptions, stream?: AgentStream): Promise<JsonObject> {
    if (this.#over !== undefined) throw this.#over;
    if (this.#pending.size >= PENDING_REQUESTS_MAX) {
      throw new IsthmusError("TOO_MANY_REQUESTS", {
        what: "requests to one guest",
        value: this.#pending.size + 1,
        limit: PENDING_REQUESTS_MAX,
      });
    }
    if (options.signal?.aborted) throw new IsthmusError("CANCELLED", { what: op });
    const payload = Buffer.from(JSON.stringify({ op, ...fields }));
    if (payload.length > FRAME_PAYLOAD_BYTES) {
      throw new IsthmusError("TOO_LARGE", { field: `the request ${op}`, value: payload.length, limit: FRAME_PAYLOAD_BYTES });
    }
    const deadlineMs = options.deadlineMs ?? this.#requestDeadlineMs;
    const { promise, resolve, reject } = Promise.withResolvers<JsonObject>();
    const giveUp = (error: IsthmusError) => {
      // The entry stays, so that a late reply is known for what it is.
      stream?.discard();
      reject(error);
    };
    const timer = setTimeout(() => giveUp(this.#unreachable(`no reply to ${op} within ${deadlineMs} ms`)), deadlineMs);
    const onAbort = () => giveUp(new IsthmusError("CANCELLED", { what: op }));
    options.signal?.addEventListener("abort", onAbort);
    this.#pending.set(id, {
      context: { op, name: this.#name, path: options.path },
      stream,
      settle: (reply) => (reply instanceof IsthmusError ? reject(reply) : resolve(reply)),
    });
    void this.#send("request", id, payload).catch(() => {});
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  readonly #send: SendFrame = async (type, stream, payload, flags) => {
    if (this.#over !== undefined) throw this.#over;
    this.#duplex.write(encodeFrame(type, stream, payload, flags));
    if (type !== "data" || this.#duplex.writableLength <= WRITE_BUFFER_BYTES) return;
    this.#drained ??= Promise.withResolvers<void>();
    await this.#drained.promise;
    if (this.#over !== undefined) throw this.#over;
  };

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) {
        if (this.#over !== undefined) return;
        this.#take(frame);
      }
    } catch (cause) {
      this.#end(IsthmusError.from(cause));
    }
  }

  #take(frame: Frame): void {
    if (frame.type === "reply") this.#onReply(frame);
    else if (frame.type === "data") this.#stream(frame).data(frame);
    else if (frame.type === "credit") this.#onCredit(frame);
    else if (frame.type === "exit") {
      // What cannot be read ends the session, and whoever waits here must be among those who are told.
      this.#stream(frame).ended(parseControl(frame.payload, "EXIT"));
      this.#streams.delete(frame.stream);
    } else if (frame.type === "event") {
      const event = parseControl(frame.payload, "EVENT");
      if (event.event === "protocol_error") throw violation(`the agent says: ${String(event.message)}`);
      for (const listener of this.#listeners) listener(event);
    } else if (frame.type === "hello") this.#lose("the agent began another session");
    else throw violation(`a ${frame.type} frame from the agent`);
  }

  #onReply(frame: Frame): void {
    const pending = this.#pending.get(frame.stream);
    if (pending === undefined) throw violation(`a reply to request ${frame.stream}, which is not pending`);
    const reply = parseControl(frame.payload, "REPLY");
    this.#pending.delete(frame.stream);
    if (reply.ok !== true) {
      const error = refusal(reply.error, pending.context);
      pending.stream?.fail(error);
      pending.settle(error);
      return;
    }
    if (pending.stream !== undefined) {
      this.#streams.set(frame.stream, pending.stream);
      if (pending.stream.stdout.destroyed) this.#abandon(pending.stream);
    }
    pending.settle(reply);
  }

  /** A stream that nobody waits for any more. */
  #abandon(stream: AgentStream): void {
    void this.request("signal", { stream: stream.id, signal: 9 }).catch(() => {});
    void stream.input.end().catch(() => {});
  }

  #onCredit(frame: Frame): void {
    if (frame.payload.length !== 4) throw violation("a CREDIT frame without its u32");
    const bytes = frame.payload.readUInt32LE(0);
    // Credit may cross the end of its stream.
    if (frame.stream === WORKLOAD_STREAM) this.workloadInput.grant(bytes);
    else this.#streams.get(frame.stream)?.input.grant(bytes);
  }

  #stream(frame: Frame): AgentStream {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) throw violation(`a ${frame.type} frame on stream ${frame.stream}, which is not open`);
    return stream;
  }

  #newId(): number {
    do this.#lastId = this.#lastId >= 0xffff_ffff ? WORKLOAD_STREAM + 1 : this.#lastId + 1;
    while (this.#pending.has(this.#lastId) || this.#streams.has(this.#lastId));
    return this.#lastId;
  }

  #onDrain(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #unreachable(reason: string, cause?: unknown): IsthmusError {
    return new IsthmusError("AGENT_UNREACHABLE", { name: this.#name, reason }, { cause });
  }

  #lose(reason: string, cause?: unknown): void {
    if (this.#over === undefined) this.#end(this.#unreachable(reason, cause));
  }

  #end(error: IsthmusError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#duplex.destroy();
    this.#onDrain();
    this.workloadInput.fail(error);
    for (const stream of this.#streams.values()) stream.fail(error);
    for (const pending of this.#pending.values()) {
      pending.stream?.fail(error);
      pending.settle(error);
    }
    this.#streams.clear();
    this.#pending.clear();
    this.#listeners.clear();
    this.#settleClosed(error);
  }
}
