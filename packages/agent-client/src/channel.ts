import { Readable } from "node:stream";
import { CREDIT_BATCH_BYTES } from "./config.ts";
import { ReceiveWindow } from "./credit.ts";

/**
 * One output channel of a stream. Credit is granted as the consumer takes bytes, so a slow one holds back the guest and nothing else; at most the
 * credit window and one high-water mark of bytes are held. When it is destroyed, the guest goes on and its bytes are thrown away.
 */
export class OutputChannel extends Readable {
  readonly #grant: (bytes: number) => void;
  readonly #window = new ReceiveWindow();
  readonly #queue: Buffer[] = [];
  #wanted = false;
  readonly #endsAtExit: boolean;
  #ended = false;
  #whole = false;

  /**
   * `grant` sends credit to the guest. With `endsAtExit` the stream ends only when the guest has said how it went, for output that is of no use when a
   * part is missing.
   */
  constructor(grant: (bytes: number) => void, endsAtExit = false) {
    super({ highWaterMark: CREDIT_BATCH_BYTES });
    this.#grant = grant;
    this.#endsAtExit = endsAtExit;
    // A lost session destroys channels that perhaps nobody reads: that must not end the process.
    this.on("error", () => {});
  }

  /** True after the guest's last frame. */
  get ended(): boolean {
    return this.#ended;
  }

  /** True when all that belongs here was received, read or not. */
  get whole(): boolean {
    return this.#whole;
  }

  /** Takes a DATA frame. Throws AGENT_PROTOCOL when it exceeds the credit. */
  accept(bytes: Buffer, end: boolean): void {
    this.#window.received(bytes.length);
    if (end) {
      this.#ended = true;
      this.#whole = !this.#endsAtExit;
    }
    if (this.destroyed) {
      this.#consumed(bytes.length);
      return;
    }
    // The frame lies in a larger read buffer, which a small part must not keep alive.
    if (bytes.length > 0) this.#queue.push(Buffer.from(bytes));
    this.#pump();
  }

  /** No more will come: what is queued is still handed out. */
  finish(): void {
    this.#ended = true;
    this.#whole = true;
    this.#pump();
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    for (const bytes of this.#queue.splice(0)) this.#consumed(bytes.length);
    callback(error);
  }

  #pump(): void {
    while (this.#wanted) {
      const bytes = this.#queue.shift();
      if (bytes === undefined) break;
      this.#consumed(bytes.length);
      this.#wanted = this.push(bytes);
    }
    if (this.#whole && this.#queue.length === 0 && !this.readableEnded && !this.destroyed && this.#wanted) {
      this.#wanted = false;
      this.push(null);
    }
  }

  #consumed(bytes: number): void {
    const grant = this.#window.consumed(bytes);
    if (grant > 0 && !this.#ended) this.#grant(grant);
  }
}
