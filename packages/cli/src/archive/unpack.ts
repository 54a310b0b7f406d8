import type { Stats } from "node:fs";
import { chmod, chown, lchown, link, lstat, lutimes, mkdir, open, symlink, unlink } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { IsthmusError } from "@isthmus/contract";
import { type Extract, extract, type Header } from "tar-stream";
import { COPY_ENTRIES_MAX } from "../config.ts";
import { belowSource } from "./entry-path.ts";

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

export interface UnpackOptions {
  /** folder that exists; nothing is written outside it */
  readonly folder: string;
  /** what the source is called there; empty: its content goes straight into the folder */
  readonly name: string;
  /** first component of every entry's name in the archive */
  readonly sourceName: string;
  /** owners and set-id bits as they are in the guest */
  readonly keepOwners: boolean;
  readonly onBytes?: (bytes: number) => void;
  readonly onSkipped?: (name: string) => void;
}

/** Writes a guest's tar archive to the local disk, through no symbolic link and not over folders. Throws BAD_ARCHIVE, LOCAL_FILE. Returns the number of entries. */
export async function unpackTree(archive: Readable, options: UnpackOptions): Promise<number> {
  const parser = extract();
  const feeding = pipeline(archive, parser);
  feeding.catch(() => undefined);
  const writer = new TreeWriter(options);
  try {
    for await (const entry of parser) await writer.write(entry);
    await feeding;
    await writer.finish();
    return writer.count;
  } catch (cause) {
    archive.destroy();
    if (cause instanceof IsthmusError) throw cause;
    const isLocal = cause instanceof Error && "syscall" in cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw isLocal
      ? new IsthmusError("LOCAL_FILE", { path: options.folder, reason }, { cause })
      : new IsthmusError("BAD_ARCHIVE", { reason }, { cause });
  }
}

/** Set-user-id and its like mean something else on this host. */
const PLAIN_MODE = 0o777;
const FULL_MODE = 0o7777;

class TreeWriter {
  count = 0;
  readonly #options: UnpackOptions;
  readonly #verified = new Set<string>();
  readonly #folders = new Map<string, Header>();
  readonly #files = new Set<string>();

  constructor(options: UnpackOptions) {
    this.#options = options;
    this.#verified.add(path.resolve(options.folder));
  }

  async write(entry: Entry): Promise<void> {
    const { header } = entry;
    this.count += 1;
    if (this.count > COPY_ENTRIES_MAX)
      throw new IsthmusError("TOO_LARGE", { field: "archive", value: this.count, limit: COPY_ENTRIES_MAX });
    const target = this.#target(header.name);
    if (header.type === "file" || header.type === "contiguous-file") return await this.#file(target, entry);
    entry.resume();
    if (header.type === "directory") await this.#folder(target, header);
    else if (header.type === "symlink") await this.#symlink(target, header);
    else if (header.type === "link") await this.#hardLink(target, header);
    else this.#options.onSkipped?.(header.name);
  }

  /** Modes and times of folders, last: writing into them changes both. */
  async finish(): Promise<void> {
    for (const [folder, header] of [...this.#folders].reverse()) {
      await this.#own(folder, header);
      await lutimes(folder, header.mtime ?? new Date(), header.mtime ?? new Date());
    }
  }

  #target(name: string): string {
    const { folder, name: own, sourceName } = this.#options;
    return path.resolve(folder, own, ...belowSource(name, sourceName));
  }

  async #parents(target: string): Promise<void> {
    const parent = path.dirname(target);
    if (this.#verified.has(parent)) return;
    if (parent === path.dirname(parent)) throw new IsthmusError("BAD_ARCHIVE", { reason: "an entry lies outside the folder" });
    await this.#parents(parent);
    const stats = await found(parent);
    if (!stats) await mkdir(parent);
    else if (!stats.isDirectory()) throw new IsthmusError("BAD_ARCHIVE", { reason: `${parent} is in the way: it is not a folder` });
    this.#verified.add(parent);
  }

  async #folder(target: string, header: Header): Promise<void> {
    if (target === path.resolve(this.#options.folder)) return;
    await this.#parents(target);
    const stats = await found(target);
    if (!stats) {
      await mkdir(target, 0o700);
      this.#folders.set(target, header);
    } else if (!stats.isDirectory()) throw new IsthmusError("BAD_ARCHIVE", { reason: `${target} is in the way: it is not a folder` });
    this.#verified.add(target);
  }

  async #clear(target: string): Promise<void> {
    await this.#parents(target);
    const stats = await found(target);
    if (stats?.isDirectory()) throw new IsthmusError("LOCAL_FILE", { path: target, reason: "a folder is in the way" });
    if (stats) await unlink(target);
  }

  async #file(target: string, entry: Entry): Promise<void> {
    await this.#clear(target);
    const handle = await open(target, "wx", 0o600);
    try {
      const { onBytes } = this.#options;
      for await (const piece of entry) {
        const bytes = piece instanceof Uint8Array ? piece : Buffer.alloc(0);
        await handle.writeFile(bytes);
        onBytes?.(bytes.length);
      }
      await this.#own(target, entry.header);
    } finally {
      await handle.close();
    }
    await lutimes(target, entry.header.mtime ?? new Date(), entry.header.mtime ?? new Date());
    this.#files.add(target);
  }

  async #symlink(target: string, header: Header): Promise<void> {
    await this.#clear(target);
    await symlink(header.linkname ?? "", target);
    if (this.#options.keepOwners) await lchown(target, header.uid ?? 0, header.gid ?? 0);
  }

  async #hardLink(target: string, header: Header): Promise<void> {
    const first = this.#target(header.linkname ?? "");
    if (!this.#files.has(first))
      throw new IsthmusError("BAD_ARCHIVE", { reason: `${header.name} is a hard link to what is not in the archive` });
    if (first === target) return;
    await this.#clear(target);
    await link(first, target);
    this.#files.add(target);
  }

  async #own(target: string, header: Header): Promise<void> {
    const { keepOwners } = this.#options;
    if (keepOwners) await chown(target, header.uid ?? 0, header.gid ?? 0);
    await chmod(target, (header.mode ?? 0o644) & (keepOwners ? FULL_MODE : PLAIN_MODE));
  }
}

async function found(file: string): Promise<Stats | undefined> {
  return await lstat(file).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
}
