import { PassThrough, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import { FIRST_ITEM_MS, STREAM_BUFFER_BYTES } from "./config.ts";
import { JSON_LINES_TYPE, jsonLines, type StreamForm, streamBody } from "./stream-body.ts";

/**
 * Aborts `target` when `source` is aborted; the answer undoes that. `AbortSignal.any` would stay in memory for as long as anybody listens to it, and the
 * signal of a closing door lives as long as the daemon.
 */
export function passOn(source: AbortSignal, target: AbortController): () => void {
  const abort = () => target.abort(source.reason);
  if (source.aborted) abort();
  source.addEventListener("abort", abort, { once: true });
  return () => source.removeEventListener("abort", abort);
}

/** A signal that is aborted when the client goes away before it has its answer, when its right to ask is over, and when the door closes. */
export function callSignal(reply: FastifyReply, closing: AbortSignal): AbortSignal {
  const call = new AbortController();
  const undo = [passOn(closing, call), passOn(reply.request.caller.over, call)];
  const release = () => {
    for (const each of undo) each();
  };
  const raw = reply.raw;
  raw.once("finish", release);
  raw.once("close", () => {
    release();
    if (!raw.writableFinished) call.abort(new IsthmusError("CANCELLED", { what: "the request" }));
  });
  return call.signal;
}

/** `work`, or the reason of `signal` as soon as it is aborted. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(IsthmusError.from(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    work.catch(() => undefined);
  }
}

/** The same items, of which the first is asked for now, not when somebody wants it. Who does not read them to the end calls `return`. */
export function begun<T>(items: AsyncIterable<T>): Required<Pick<AsyncIterator<T>, "next" | "return">> & AsyncIterable<T> {
  const source = items[Symbol.asyncIterator]();
  let first: Promise<IteratorResult<T>> | undefined = source.next();
  first.catch(() => undefined);
  const iterator = {
    next() {
      const result = first ?? source.next();
      first = undefined;
      return result;
    },
    return: async () => (await source.return?.()) ?? { done: true as const, value: undefined },
  };
  return { ...iterator, [Symbol.asyncIterator]: () => iterator };
}

/** A stream that ends because its call was cut short does not end as if all had been told. */
export async function* unlessAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  yield* items;
  if (signal.aborted) throw IsthmusError.from(signal.reason);
}

/**
 * Answers with a stream. What fails soon is an ordinary error answer; after `FIRST_ITEM_MS` the headers go out, so that the client knows it is heard,
 * and a failure becomes the stream's last word.
 */
export async function sendStream<T>(
  reply: FastifyReply,
  items: AsyncIterator<T>,
  form: StreamForm<T>,
  type: string,
): Promise<FastifyReply> {
  const first = items.next();
  const patience = new AbortController();
  await Promise.race([first, sleep(FIRST_ITEM_MS, undefined, { signal: patience.signal }).catch(() => undefined)]).finally(() =>
    patience.abort(),
  );
  void reply
    .header("content-type", type)
    .header("cache-control", "no-store")
    .send(streamBody(items, first, form));
  setImmediate(() => {
    if (!reply.raw.headersSent) reply.raw.flushHeaders();
  });
  return reply;
}

/** Answers with JSON lines, as `sendStream` does. */
export function sendLines(reply: FastifyReply, items: AsyncIterable<unknown>): Promise<FastifyReply> {
  return sendStream(reply, items[Symbol.asyncIterator](), jsonLines, JSON_LINES_TYPE);
}

/**
 * The request's body as a stream that its reader may destroy: the connection stays, so that the answer can say why, and the rest of the body is
 * read and dropped.
 */
export function uploadOf(request: FastifyRequest): Readable {
  const source = request.raw;
  const body = new PassThrough({ highWaterMark: STREAM_BUFFER_BYTES });
  source.pipe(body);
  source.once("error", (cause) => body.destroy(cause));
  source.once("close", () => {
    if (!source.complete) body.destroy(new IsthmusError("CANCELLED", { what: "the upload" }));
  });
  body.once("close", () => {
    source.unpipe(body);
    source.resume();
  });
  // Whoever reads the body hears of it; nobody reading is no reason to fall.
  body.on("error", () => undefined);
  return body;
}
