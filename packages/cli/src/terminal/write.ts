import type { Writable } from "node:stream";

/** Thrown when the reader of our output went away (`| head`): no error to show, the end of the work. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

export function isBrokenPipe(error: unknown): boolean {
  return (
    error instanceof ReaderGone ||
    (error instanceof Error && "code" in error && (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED"))
  );
}

/** Resolves when the stream has taken `chunk`, so that a slow reader slows its producer. Rejects with ReaderGone when nobody reads. */
export function write(stream: Writable, chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed || stream.writableEnded) {
      reject(new ReaderGone());
      return;
    }
    stream.write(chunk, (error) => {
      if (!error) resolve();
      else reject(isBrokenPipe(error) ? new ReaderGone() : error);
    });
  });
}
