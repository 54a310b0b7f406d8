import { type FileHandle, open } from "node:fs/promises";
import { streaming } from "./config.ts";
import { badImage } from "./failures.ts";

/** Reads ranges of a file through a window, so that many small neighbours cost one read. */
export class RangeReader {
  readonly #handle: FileHandle;
  #window: Buffer = Buffer.alloc(0);
  #start = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async open(path: string): Promise<RangeReader> {
    return new RangeReader(await open(path, "r"));
  }

  /** Up to `size` bytes at `offset`, at least one. Throws BAD_IMAGE at the end of the file. */
  async read(offset: number, size: number): Promise<Buffer> {
    if (offset < this.#start || offset >= this.#start + this.#window.length) {
      // A new window each time: what was given out of the last one is still on its way.
      const window = Buffer.allocUnsafeSlow(streaming.chunkBytes);
      const { bytesRead } = await this.#handle.read(window, 0, window.length, offset);
      if (bytesRead === 0) throw badImage("a layer is cut off");
      this.#start = offset;
      this.#window = window.subarray(0, bytesRead);
    }
    const at = offset - this.#start;
    return this.#window.subarray(at, at + size);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
