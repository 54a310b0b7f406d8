import { access, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type Image, IsthmusError } from "@isthmus/contract";
import { syncFile, syncFolder, writeDurable } from "./durable.ts";
import { isDiskFull } from "./failures.ts";
import { blobPath, type ImageRecord, type IndexEntry, readIndex, recordPath, rootfsPath, withTags, writeIndex } from "./image-index.ts";
import { isObject } from "./json.ts";
import { hexOf, parseReference } from "./reference.ts";
import { Serial } from "./serial.ts";
import { makeFolders, sweep } from "./sweep.ts";

/** A finished image whose files still lie in a workspace. */
export interface BuiltImage {
  readonly record: ImageRecord;
  readonly blobs: readonly { readonly digest: string; readonly path: string }[];
  readonly rootfsPath: string;
}

export interface ImageNames {
  readonly tags: readonly string[];
  readonly builtIn: boolean;
  readonly repoDigests?: readonly string[];
}

export type Match = { readonly digest: string; readonly tag?: string };

function isRecord(value: unknown, digest: string): value is ImageRecord {
  return (
    isObject(value) &&
    value.digest === digest &&
    Array.isArray(value.blobs) &&
    isObject(value.config) &&
    typeof value.rootfsBytes === "number"
  );
}

async function readRecord(folder: string, digest: string): Promise<ImageRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(recordPath(folder, digest), "utf8"));
    return isRecord(value, digest) ? value : undefined;
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/**
 * The images that exist. Files are made durable first and become an image by one rename of the index; a crash at any point leaves the image whole or
 * absent. One process at a time owns a folder.
 */
export class ImageCatalog {
  readonly folder: string;
  #entries: Map<string, IndexEntry>;
  readonly #records: Map<string, ImageRecord>;
  readonly #serial = new Serial();

  private constructor(folder: string, entries: Map<string, IndexEntry>, records: Map<string, ImageRecord>) {
    this.folder = folder;
    this.#entries = entries;
    this.#records = records;
  }

  /** Opens or makes the store and sweeps what a crash left. Throws STORE_FAILED when its index is damaged. */
  static async open(folder: string): Promise<ImageCatalog> {
    await makeFolders(folder);
    const found = await readIndex(folder);
    const entries = new Map<string, IndexEntry>(found);
    const records = new Map<string, ImageRecord>();
    for (const digest of [...entries.keys()]) {
      const record = await readRecord(folder, digest);
      if (record === undefined) entries.delete(digest);
      else records.set(digest, record);
    }
    await sweep(folder, [...records.values()]);
    // Not without need: a full disk is no reason not to start.
    if (entries.size !== found?.size) await writeIndex(folder, entries);
    return new ImageCatalog(folder, entries, records);
  }

  /** Newest first. */
  list(): readonly Image[] {
    return [...this.#entries.keys()].map((digest) => this.image(digest)).sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  }

  /** Throws IMAGE_NOT_FOUND. */
  image(digest: string): Image {
    const entry = this.#entries.get(digest);
    const record = this.#records.get(digest);
    if (entry === undefined || record === undefined) throw new IsthmusError("IMAGE_NOT_FOUND", { ref: digest });
    const { blobs: _, ...rest } = record;
    const repoDigests = entry.repoDigests === undefined ? {} : { repoDigests: [...entry.repoDigests] };
    return { ...rest, tags: [...entry.tags], ...repoDigests, createdAt: entry.createdAt, builtIn: entry.builtIn };
  }

  rootfsPath(digest: string): string {
    return rootfsPath(this.folder, this.image(digest));
  }

  /** A tag first, then the beginning of a digest. Throws IMAGE_NOT_FOUND, INVALID_IMAGE_REF. */
  find(ref: string): Match {
    const { tag, hex } = parseReference(ref);
    if (tag !== undefined) for (const [digest, entry] of this.#entries) if (entry.tags.includes(tag)) return { digest, tag };
    const matches = hex === undefined ? [] : this.#byDigest(hex);
    if (matches.length > 1) throw new IsthmusError("INVALID_IMAGE_REF", { value: ref, reason: "it begins the digests of several images" });
    const [digest] = matches;
    if (digest === undefined) throw new IsthmusError("IMAGE_NOT_FOUND", { ref });
    return { digest };
  }

  /** Images whose digest begins so; else those that an index of this very digest was pulled for. */
  #byDigest(hex: string): readonly string[] {
    const own = [...this.#entries.keys()].filter((digest) => hexOf(digest).startsWith(hex));
    if (own.length > 0) return own;
    const above = [...this.#entries].filter(([, { repoDigests = [] }]) => repoDigests.some((one) => one.endsWith(`@sha256:${hex}`)));
    return above.map(([digest]) => digest);
  }

  /** Where a blob is that an image has; undefined when none has it. */
  storedBlob(digest: string): string | undefined {
    for (const { blobs } of this.#records.values()) if (blobs.includes(digest)) return blobPath(this.folder, digest);
    return undefined;
  }

  /** Images that have a blob, newest first. */
  imagesWith(digest: string): readonly Image[] {
    return this.list().filter((image) => this.#records.get(image.digest)?.blobs.includes(digest));
  }

  /** True when the image is there with its rootfs as it was packed. */
  async isIntact(digest: string): Promise<boolean> {
    const record = this.#records.get(digest);
    if (record === undefined) return false;
    const found = await stat(rootfsPath(this.folder, record)).catch(() => undefined);
    return found?.isFile() === true && found.size === record.rootfsBytes;
  }

  /** Gives tags to an image that is there, taking them from others; undefined when it is gone. */
  async addTags(digest: string, tags: readonly string[], builtIn = false, repoDigests: readonly string[] = []): Promise<Image | undefined> {
    return await this.#serial.run(async () => {
      const entry = this.#entries.get(digest);
      if (entry === undefined) return undefined;
      const isNew = (name: string): boolean => !entry.tags.includes(name) && entry.repoDigests?.includes(name) !== true;
      const moved = [...tags, ...repoDigests].some(isNew) || (builtIn && !entry.builtIn);
      if (moved) await this.#write(withTags(this.#entries, digest, tags, { createdAt: entry.createdAt, builtIn, repoDigests }));
      return this.image(digest);
    });
  }

  /** Moves a built image's files into place and puts it into the index. A failure takes back what was moved. */
  async commit(built: BuiltImage, { tags, builtIn, repoDigests }: ImageNames): Promise<Image> {
    return await this.#serial.run(async () => {
      const { digest } = built.record;
      const made: string[] = [];
      try {
        const rootfs = rootfsPath(this.folder, built.record);
        await rm(rootfs, { force: true });
        const moves = built.blobs.map(({ path, digest }) => ({ from: path, to: blobPath(this.folder, digest) }));
        await this.#place([...moves, { from: built.rootfsPath, to: rootfs }], made);
        made.push(recordPath(this.folder, digest));
        await writeDurable(recordPath(this.folder, digest), JSON.stringify(built.record));
        this.#records.set(digest, built.record);
        await this.#write(withTags(this.#entries, digest, tags, { createdAt: new Date().toISOString(), builtIn, repoDigests }));
      } catch (error) {
        if (!this.#entries.has(digest)) {
          this.#records.delete(digest);
          for (const path of made) await rm(path, { force: true });
        }
        throw error;
      }
      return this.image(digest);
    });
  }

  /** Takes a tag, and the image with its last one; a match without a tag takes the image. `mayDelete` throws to refuse. */
  async remove(
    match: Match,
    mayDelete: (digest: string) => void,
  ): Promise<{ readonly untagged: readonly string[]; readonly deleted: readonly string[]; readonly freedBytes: number }> {
    return await this.#serial.run(async () => {
      const entry = this.#entries.get(match.digest);
      const record = this.#records.get(match.digest);
      if (entry === undefined || record === undefined) throw new IsthmusError("IMAGE_NOT_FOUND", { ref: match.tag ?? match.digest });
      const left = match.tag === undefined ? [] : entry.tags.filter((tag) => tag !== match.tag);
      const untagged = entry.tags.filter((tag) => !left.includes(tag));
      const next = new Map(this.#entries);
      if (left.length > 0) {
        next.set(match.digest, { ...entry, tags: left });
        await this.#write(next);
        return { untagged, deleted: [], freedBytes: 0 };
      }
      mayDelete(match.digest);
      next.delete(match.digest);
      let freedBytes = 0;
      try {
        await this.#write(next);
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        // The image makes room for the index without it. After a crash between the two it stands there without its files, and can be removed or imported anew.
        freedBytes = await this.#dropFiles(record);
        await this.#write(next);
      }
      this.#records.delete(match.digest);
      freedBytes += await this.#dropFiles(record);
      return { untagged, deleted: [match.digest], freedBytes };
    });
  }

  /** How many bytes that made free. */
  async #dropFiles(record: ImageRecord): Promise<number> {
    const others = [...this.#records.values()].filter(({ digest }) => digest !== record.digest);
    const needed = new Set(others.flatMap(({ blobs }) => blobs));
    const own = record.blobs.filter((digest) => !needed.has(digest)).map((digest) => blobPath(this.folder, digest));
    let freedBytes = 0;
    for (const path of [recordPath(this.folder, record.digest), rootfsPath(this.folder, record), ...own]) {
      freedBytes += (await stat(path).catch(() => undefined))?.size ?? 0;
      await rm(path, { force: true });
    }
    return freedBytes;
  }

  /** Moves files that are not there yet. All are synced at once: the file system writes its journal for several as for one. */
  async #place(moves: readonly { readonly from: string; readonly to: string }[], made: string[]): Promise<void> {
    const needed: (typeof moves)[number][] = [];
    // An image may have one layer twice.
    for (const move of new Map(moves.map((one) => [one.to, one])).values()) if (!(await exists(move.to))) needed.push(move);
    await Promise.all(needed.map(({ from }) => syncFile(from)));
    for (const { from, to } of needed) {
      made.push(to);
      await rename(from, to);
    }
    // The folder that they leave needs no sync: a name that a power cut brings back there is swept.
    await Promise.all([...new Set(needed.map(({ to }) => dirname(to)))].map(syncFolder));
  }

  async #write(next: Map<string, IndexEntry>): Promise<void> {
    await writeIndex(this.folder, next);
    this.#entries = next;
  }
}
