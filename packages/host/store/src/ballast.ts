import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { BALLAST_BYTES } from "./config.ts";

/** A file that takes up room, to be given up when the disk is too full to open the database. */
export class Ballast {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes it when it is missing and there is room. True when it is there. */
  fill(): boolean {
    if (existsSync(this.#path)) return true;
    const half = `${this.#path}.half`;
    try {
      const file = openSync(half, "w", 0o600);
      try {
        writeSync(file, Buffer.alloc(BALLAST_BYTES, 1));
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(half, this.#path);
      return true;
    } catch {
      rmSync(half, { force: true });
      return false;
    }
  }

  /** True when there was something to give up. */
  release(): boolean {
    if (!existsSync(this.#path)) return false;
    rmSync(this.#path, { force: true });
    return true;
  }
}
