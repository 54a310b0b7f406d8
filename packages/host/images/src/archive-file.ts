import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { posix } from "node:path";
import { MIB } from "@isthmus/contract";
import { documentLimits, imageLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import { copyRange, type Spooled } from "./spool.ts";
import type { TarEntry } from "./tar-header.ts";

interface Range {
  readonly offset: number;
  readonly size: number;
}

const ALIAS_HOPS = 8;

/** The names of an OCI or docker archive and where their bytes are in its spooled tar. Nothing is ever unpacked under these names. */
export class ArchiveFile {
  readonly #files = new Map<string, Range>();
  readonly #aliases = new Map<string, string>();
  readonly #entriesMax: number;
  #entries = 0;
  path = "";

  constructor(entriesMax = imageLimits.archiveEntries) {
    this.#entriesMax = entriesMax;
  }

  /** Throws BAD_IMAGE. */
  add(entry: TarEntry): void {
    this.#entries += 1;
    if (this.#entries > this.#entriesMax) throw badImage(`the archive has more than ${this.#entriesMax} entries`);
    const name = posix.normalize(entry.name);
    this.#aliases.delete(name);
    this.#files.delete(name);
    if (entry.type === "file") this.#files.set(name, { offset: entry.offset, size: entry.size });
    else if (entry.type === "link") this.#aliases.set(name, posix.normalize(entry.target));
    // docker save and skopeo write links between layers that are the same.
    else if (entry.type === "symlink") this.#aliases.set(name, posix.join(posix.dirname(name), entry.target));
  }

  #find(name: string): Range | undefined {
    let at = posix.normalize(name);
    for (let hops = 0; hops < ALIAS_HOPS; hops += 1) {
      const range = this.#files.get(at);
      if (range !== undefined) return range;
      const next = this.#aliases.get(at);
      if (next === undefined) return undefined;
      at = next;
    }
    return undefined;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** Throws BAD_IMAGE when the archive does not hold it. */
  range(name: string): Range {
    const range = this.#find(name);
    if (range === undefined) throw badImage(`the archive lacks ${JSON.stringify(name.slice(0, 200))}`);
    return range;
  }

  /** A small document as a whole. Throws BAD_IMAGE. */
  async document(name: string): Promise<Buffer> {
    const { offset, size } = this.range(name);
    if (size > documentLimits.jsonBytes)
      throw badImage(`${JSON.stringify(name.slice(0, 200))} is larger than ${documentLimits.jsonBytes} bytes`);
    const bytes = Buffer.alloc(size);
    const handle = await open(this.path, "r");
    try {
      const { bytesRead } = await handle.read(bytes, 0, size, offset);
      if (bytesRead !== size) throw badImage("the archive is cut off");
    } finally {
      await handle.close();
    }
    return bytes;
  }

  async digest(
    name: string,
    signal?: AbortSignal,
  ): Promise<{ readonly digest: string; readonly sizeBytes: number; readonly head: Buffer }> {
    const { offset, size } = this.range(name);
    const hash = createHash("sha256");
    let head: Buffer = Buffer.alloc(0);
    if (size > 0)
      for await (const chunk of createReadStream(this.path, { start: offset, end: offset + size - 1, highWaterMark: MIB, signal })) {
        if (!Buffer.isBuffer(chunk)) continue;
        if (head.length === 0) head = Buffer.from(chunk.subarray(0, 4));
        hash.update(chunk);
      }
    return { digest: `sha256:${hash.digest("hex")}`, sizeBytes: size, head };
  }

  /** Copies one file of the archive to a new file of ours. */
  async stage(name: string, path: string, signal?: AbortSignal): Promise<Spooled> {
    const { offset, size } = this.range(name);
    return await copyRange(this.path, offset, size, path, signal);
  }
}
