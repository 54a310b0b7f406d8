import type { IsthmusError } from "@isthmus/contract";
import { OutputChannel } from "./channel.ts";
import { FRAME_PAYLOAD_BYTES, TRANSFER_WORDS_BYTES } from "./config.ts";
import { type JsonObject, numberField, type RequestContext, refusal, transferError } from "./control.ts";
import { SendWindow } from "./credit.ts";
import { CHANNEL_MASK, END_FLAG, type Frame, type FrameName, stdio, violation } from "./frames.ts";

/** Sends one frame; resolves when the channel to the guest takes more. */
export type SendFrame = (type: FrameName, stream: number, payload: Uint8Array, flags?: number) => Promise<void>;

export interface StreamExit {
  readonly code: number;
  readonly signal?: number;
}

/** Bytes towards the guest on channel 0 of one stream. */
export class StreamInput {
  readonly id: number;
  readonly #send: SendFrame;
  readonly #window: SendWindow;
  #tail: Promise<void> = Promise.resolve();
  #lost: IsthmusError | undefined;
  #ended = false;

  constructor(id: number, send: SendFrame, initialCredit?: number) {
    this.id = id;
    this.#send = send;
    this.#window = new SendWindow(initialCredit);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when all bytes are on their way within the guest's credit. Input after the end is thrown away, as the process no longer reads. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#queue(() => this.#writeNow(bytes));
  }

  /** The end of the input, after all that was written. */
  async end(): Promise<void> {
    await this.#queue(async () => {
      if (this.#ended) return;
      this.#ended = true;
      await this.#send("data", this.id, Buffer.alloc(0), stdio.stdin | END_FLAG);
    });
  }

  grant(bytes: number): void {
    this.#window.grant(bytes);
  }

  /** The reader is gone: what waits for credit is dropped without an error. */
  finish(): void {
    this.#ended = true;
    this.#window.close();
  }

  fail(error: IsthmusError): void {
    this.#lost = error;
    this.#window.close();
  }

  async #queue(action: () => Promise<void>): Promise<void> {
    const turn = this.#tail.then(action);
    this.#tail = turn.catch(() => {});
    await turn;
  }

  async #writeNow(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length && !this.#ended) {
      const taken = await this.#window.take(Math.min(FRAME_PAYLOAD_BYTES, bytes.length - at));
      if (this.#lost !== undefined) throw this.#lost;
      if (taken === 0) return;
      await this.#send("data", this.id, bytes.subarray(at, at + taken), stdio.stdin);
      at += taken;
    }
    if (this.#lost !== undefined) throw this.#lost;
  }
}

function granter(id: number, channel: number, send: SendFrame): (bytes: number) => void {
  return (bytes) => {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(bytes);
    void send("credit", id, payload, channel).catch(() => {});
  };
}

/** One open stream: input, the output channels that its request has, and its exit. */
export class AgentStream {
  readonly input: StreamInput;
  readonly stdout: OutputChannel;
  readonly stderr: OutputChannel;
  /** Rejects with AGENT_UNREACHABLE when the session is lost, or with what the agent says failed. */
  readonly exit: Promise<StreamExit>;
  readonly #context: RequestContext;
  readonly #transfer: boolean;
  #words = Buffer.alloc(0);
  readonly #settle: { resolve: (exit: StreamExit) => void; reject: (error: IsthmusError) => void };

  constructor(id: number, context: RequestContext, send: SendFrame, transfer = false) {
    this.#context = context;
    this.#transfer = transfer;
    this.input = new StreamInput(id, send);
    this.stdout = new OutputChannel(granter(id, stdio.stdout, send), transfer);
    this.stderr = new OutputChannel(granter(id, stdio.stderr, send));
    const { promise, resolve, reject } = Promise.withResolvers<StreamExit>();
    this.exit = promise;
    this.exit.catch(() => {});
    this.#settle = { resolve, reject };
  }

  get id(): number {
    return this.input.id;
  }

  /** Throws AGENT_PROTOCOL. */
  data(frame: Frame): void {
    const channel = frame.flags & CHANNEL_MASK;
    const output = channel === stdio.stdout ? this.stdout : channel === stdio.stderr ? this.stderr : undefined;
    if (output === undefined || output.ended) throw violation(`data on channel ${channel} of stream ${this.id}`);
    if (this.#transfer && channel === stdio.stderr) {
      this.#words = Buffer.concat([this.#words, frame.payload.subarray(0, TRANSFER_WORDS_BYTES - this.#words.length)]);
    }
    output.accept(frame.payload, (frame.flags & END_FLAG) !== 0);
  }

  /** The last frame. Throws AGENT_PROTOCOL. */
  ended(exit: JsonObject): void {
    const code = numberField(exit, "code");
    this.input.finish();
    if (this.#transfer && code !== 0) {
      this.#break(refusal(transferError(this.#words.toString("utf8"), exit), this.#context));
      return;
    }
    this.stdout.finish();
    this.stderr.finish();
    this.#settle.resolve({ code, ...(typeof exit.signal === "number" ? { signal: exit.signal } : {}) });
  }

  /** Throws its output away; the process in the guest goes on. */
  discard(): void {
    this.stdout.destroy();
    this.stderr.destroy();
  }

  fail(error: IsthmusError): void {
    this.input.fail(error);
    this.#break(error);
  }

  #break(error: IsthmusError): void {
    // What came whole is still there to be read.
    for (const channel of [this.stdout, this.stderr]) if (!channel.whole) channel.destroy(error);
    this.#settle.reject(error);
  }
}
