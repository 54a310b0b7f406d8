import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { IsthmusError } from "@isthmus/contract";
import { badImage } from "../failures.ts";
import type { Descriptor } from "../manifest.ts";
import type { Spooled } from "../spool.ts";
import { refusal } from "./answers.ts";
import type { HttpAnswer } from "./http.ts";
import type { RegistryClient } from "./registry-client.ts";
import { withRetries } from "./retry.ts";

export interface DownloadOptions {
  /** a new file */
  readonly path: string;
  readonly onBytes: (doneBytes: number) => void;
  /** the download was cut and goes on soon */
  readonly onPause: (reason: string) => void;
}

/** One blob on its way to a file: what came stays when the connection is cut, and is asked for no second time. */
class Download {
  readonly #client: RegistryClient;
  readonly #blob: Descriptor;
  readonly #options: DownloadOptions;
  readonly #file: FileHandle;
  #hash: Hash = createHash("sha256");
  #doneBytes = 0;
  #bytesOfTry = 0;

  constructor(client: RegistryClient, blob: Descriptor, options: DownloadOptions, file: FileHandle) {
    this.#client = client;
    this.#blob = blob;
    this.#options = options;
    this.#file = file;
  }

  async run(): Promise<Spooled> {
    const { limits, signal } = this.#client.options;
    const registry = this.#client.registry;
    await withRetries(() => this.#try(), {
      registry,
      limits,
      signal,
      answered: true,
      hasProgress: () => this.#bytesOfTry >= limits.tryBytes,
      onPause: ({ message }) => this.#options.onPause(message),
    });
    const actual = `sha256:${this.#hash.digest("hex")}`;
    const { digest, sizeBytes } = this.#blob;
    if (actual !== digest) throw new IsthmusError("IMAGE_DIGEST_MISMATCH", { digest, actual });
    return { path: this.#options.path, digest, sizeBytes };
  }

  async #try(): Promise<void> {
    const { sizeBytes, digest } = this.#blob;
    this.#bytesOfTry = 0;
    if (this.#doneBytes === sizeBytes && sizeBytes > 0) return;
    const from = this.#doneBytes;
    const headers = from === 0 ? {} : { range: `bytes=${from}-` };
    const answer = await this.#client.send(await this.#client.url(`blobs/${digest}`), { method: "GET", headers });
    if (answer.status !== 200 && answer.status !== 206) {
      const { ref, limits } = this.#client.options;
      throw await refusal(answer, { registry: this.#client.registry, ref }, limits);
    }
    try {
      await this.#take(answer, this.#skipOf(answer, from));
    } finally {
      answer.body.destroy();
    }
  }

  /** How many bytes at the beginning of the answer are there already: all of them when the server knows no ranges. */
  #skipOf({ status, headers }: HttpAnswer, from: number): number {
    const { sizeBytes, digest } = this.#blob;
    const length = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
    if (status === 206) {
      const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers["content-range"] ?? "");
      if (Number(range?.[1]) !== from) throw this.#failed("it sends another part of a blob than was asked for");
      return 0;
    }
    // Compressed on the way, its length says nothing about the blob.
    if (headers["content-encoding"] === undefined && length !== undefined && length !== sizeBytes)
      throw badImage(`blob ${digest} has ${length} bytes, its descriptor says ${sizeBytes}`);
    return from;
  }

  async #take({ body }: HttpAnswer, skipBytes: number): Promise<void> {
    const { sizeBytes, digest } = this.#blob;
    let skip = skipBytes;
    for await (const piece of body) {
      const whole: Buffer = piece;
      const chunk = whole.subarray(Math.min(skip, whole.length));
      skip -= whole.length - chunk.length;
      if (chunk.length === 0) continue;
      if (this.#doneBytes + chunk.length > sizeBytes) throw badImage(`blob ${digest} is larger than ${sizeBytes} bytes`);
      await this.#write(chunk);
      this.#hash.update(chunk);
      this.#doneBytes += chunk.length;
      this.#bytesOfTry += chunk.length;
      this.#options.onBytes(this.#doneBytes);
    }
    if (this.#doneBytes < sizeBytes) throw this.#failed(`a blob ended after ${this.#doneBytes} of ${sizeBytes} bytes`, 503);
  }

  async #write(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; ) at += (await this.#file.write(chunk, at, chunk.length - at, this.#doneBytes + at)).bytesWritten;
  }

  #failed(reason: string, status?: number): IsthmusError {
    return new IsthmusError("REGISTRY_FAILED", { registry: this.#client.registry, reason, status });
  }
}

/** Gets a blob into a new file and checks size and digest. Throws IMAGE_DIGEST_MISMATCH, BAD_IMAGE, REGISTRY_*. */
export async function downloadBlob(client: RegistryClient, blob: Descriptor, options: DownloadOptions): Promise<Spooled> {
  const file = await open(options.path, "wx", 0o600);
  try {
    return await new Download(client, blob, options, file).run();
  } finally {
    await file.close();
  }
}
