import type { FileHandle } from "node:fs/promises";
import { type DecodedRecord, OutputRecordDecoder } from "@isthmus/agent-client";
import { READ_CHUNK_BYTES } from "./config.ts";

/** Reads records of one open file from `offset` on; `batch` gives those that are there now and is empty at the end of the file. */
export class Scanner {
  readonly #file: FileHandle;
  readonly #decoder: OutputRecordDecoder;
  #position: number;

  constructor(file: FileHandle, offset: number) {
    this.#file = file;
    this.#position = offset;
    this.#decoder = new OutputRecordDecoder(offset);
  }

  /** End of the last whole record. */
  get offset(): number {
    return this.#decoder.offset;
  }

  /** Bytes after `offset` that are no whole record yet. */
  get pendingBytes(): number {
    return this.#decoder.pendingBytes;
  }

  /** Undefined at the end of the file; may be empty before it. */
  async batch(): Promise<readonly DecodedRecord[] | undefined> {
    const buffer = Buffer.allocUnsafe(READ_CHUNK_BYTES);
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#position);
    if (bytesRead === 0) return undefined;
    this.#position += bytesRead;
    return this.#decoder.push(buffer.subarray(0, bytesRead));
  }
}
