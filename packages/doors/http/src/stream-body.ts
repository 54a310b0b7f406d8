import { Readable } from "node:stream";
import { type ErrorBody, IsthmusError } from "@isthmus/contract";
import { BATCH_BYTES, LARGE_PIECE_BYTES, STREAM_BUFFER_BYTES } from "./config.ts";

export interface StreamForm<T> {
  /** bytes of one item, in pieces */
  encode(item: T): readonly Buffer[];
  /** the last word of a stream that fails after it began */
  encodeError(error: ErrorBody): Buffer;
}

/** JSON lines; a failure is a last line `{"error": {…}}`. */
export const jsonLines: StreamForm<unknown> = {
  encode: (item) => [Buffer.from(`${JSON.stringify(item)}\n`)],
  encodeError: (error) => Buffer.from(`${JSON.stringify({ error })}\n`),
};

export const JSON_LINES_TYPE = "application/x-ndjson";

/**
 * An answer's body made of `items`, of which `first` was asked for already: what is ready together goes out together, a slow client pushes back on
 * the source, and a failure becomes the stream's last word.
 */
export function streamBody<T>(items: AsyncIterator<T>, first: Promise<IteratorResult<T>>, form: StreamForm<T>): Readable {
  return new StreamBody(items, first, form);
}

class StreamBody<T> extends Readable {
  readonly #items: AsyncIterator<T>;
  readonly #form: StreamForm<T>;
  #next: Promise<IteratorResult<T>> | undefined;
  #pumping = false;
  #wanted = true;
  #pieces: Buffer[] = [];
  #size = 0;
  #soon: NodeJS.Immediate | undefined;

  constructor(items: AsyncIterator<T>, first: Promise<IteratorResult<T>>, form: StreamForm<T>) {
    super({ highWaterMark: STREAM_BUFFER_BYTES });
    this.#items = items;
    this.#next = first;
    this.#form = form;
  }

  override _read(): void {
    this.#wanted = true;
    if (!this.#pumping) void this.#pump();
  }

  override _destroy(cause: Error | null, done: (error?: Error | null) => void): void {
    clearImmediate(this.#soon);
    // A source that hangs must not keep the answer from closing.
    this.#items.return?.().catch(() => undefined);
    done(cause);
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#wanted) {
        const result = await (this.#next ?? this.#items.next());
        this.#next = undefined;
        if (this.destroyed) return;
        if (result.done) return this.#finish();
        for (const piece of this.#form.encode(result.value)) this.#add(piece);
      }
    } catch (cause) {
      if (this.destroyed) return;
      this.#add(this.#form.encodeError(IsthmusError.from(cause).toBody()));
      this.#finish();
    } finally {
      this.#pumping = false;
    }
  }

  /** Small pieces wait until they are worth a write, never longer than the source has more at hand. */
  #add(piece: Buffer): void {
    if (piece.length >= LARGE_PIECE_BYTES) {
      this.#flush();
      this.#wanted = this.push(piece);
      return;
    }
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size >= BATCH_BYTES) this.#flush();
    else this.#soon ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
    if (this.#size === 0) return;
    const bytes = Buffer.concat(this.#pieces, this.#size);
    this.#pieces = [];
    this.#size = 0;
    this.#wanted = this.push(bytes);
  }

  #finish(): void {
    this.#flush();
    this.push(null);
  }
}
