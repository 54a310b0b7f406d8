import { type FileHandle, open } from "node:fs/promises";
import { streaming } from "./config.ts";
import { badImage } from "./failures.ts";

/** Reads ranges of a file through a window, so that many small neighbours cost one read. */
export class RangeReader {
  readonly #handle: FileHandle;
  readonly #window: Buffer = Buffer.alloc(streaming.chunkBytes);
  #start = 0;
  #length = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async open(path: string): Promise<RangeReader> {
    return new RangeReader(await open(path, "r"));
  }

  /** A copy of up to `size` bytes at `offset`, at least one. Throws BAD_IMAGE at the end of the file. */
  async read(offset: number, size: number): Promise<Buffer> {
    if (offset < this.#start || offset >= this.#start + this.#length) {
      const { bytesRead } = await this.#handle.read(this.#window, 0, this.#window.length, offset);
      if (bytesRead === 0) throw badImage("a layer is cut off");
      this.#start = offset;
      this.#length = bytesRead;
    }
    const at = offset - this.#start;
    return Buffer.from(this.#window.subarray(at, Math.min(at + size, this.#length)));
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
