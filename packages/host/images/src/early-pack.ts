import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { type ImageLimits, streaming } from "./config.ts";
import { badImage } from "./failures.ts";
import type { Change } from "./layer-merge.ts";
import type { PackedTree, Packer } from "./packer.ts";
import { folderInode } from "./root-tree.ts";
import { encodeEntry, endOfTar } from "./tar-writer.ts";

export interface EarlyPackOptions {
  readonly packer: Packer;
  readonly limits: ImageLimits;
  /** not there yet; the packer's own */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
  /** called once the packer is gone */
  readonly onEnd: () => void;
}

/**
 * Packs a root file system while its tar still comes in. That is right only as long as each entry gives a new name at its own path, as in the tars that
 * programs write of a folder; at the first one that does otherwise this gives up, and the merged tree is packed as it is when all is known.
 */
export class EarlyPack implements AsyncDisposable {
  readonly #options: EarlyPackOptions;
  readonly #stop = new AbortController();
  readonly #tar = new Readable({ highWaterMark: streaming.waitingBytes, read: () => this.#wake() });
  #packing: Promise<string> | undefined;
  #ended = false;
  /** called when the packer takes more, and when it has ended */
  #wake: () => void = () => undefined;
  #givenUp = false;
  #tree: PackedTree | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(options: EarlyPackOptions) {
    this.#options = options;
    // The packing tells why it ended; the stream's own error says less.
    this.#tar.on("error", () => undefined);
  }

  /** One entry, after it was merged. */
  entry(change: Change): void {
    if (change.kind === "other") this.#giveUp();
    if (this.#givenUp || change.kind !== "added") return;
    const { parts, inode, sameAs, made } = change;
    for (let depth = parts.length - made; depth < parts.length; depth += 1)
      this.#add(encodeEntry({ ...folderInode(inode.mtime), name: parts.slice(0, depth).join("/") }));
    const name = parts.join("/");
    if (sameAs === undefined) this.#add(encodeEntry({ ...inode, name }));
    else this.#add(encodeEntry({ ...inode, name, type: "link", target: sameAs, size: 0, xattrs: undefined }));
  }

  /** Content of the last entry, padding included. */
  content(piece: Buffer): void {
    if (!this.#givenUp) this.#add(piece);
  }

  /** Sends what was gathered, at the pace of the packer. Throws what the packer throws. */
  async flush(): Promise<void> {
    if (this.#givenUp || this.#bytes === 0) return;
    if (this.#packing === undefined) {
      if (this.#bytes < this.#options.limits.earlyBytes) return;
      this.#packing = this.#start();
      const end = (): void => {
        this.#ended = true;
        this.#wake();
      };
      this.#packing.then(end, end);
    }
    let more = true;
    for (const piece of joinSmall(this.#pieces)) more = this.#tar.push(piece);
    this.#pieces = [];
    this.#bytes = 0;
    if (!more && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    if (this.#ended) await this.#packing;
  }

  /** Path of the rootfs; undefined when it must be packed from the tree. */
  async finish(tree: PackedTree): Promise<string | undefined> {
    if (this.#packing === undefined) return undefined;
    if (this.#givenUp) {
      // What it wrote must be gone before the image is packed again.
      await this.#packing.catch(() => undefined);
      return undefined;
    }
    this.#tree = tree;
    this.#add(endOfTar);
    await this.flush();
    this.#tar.push(null);
    return await this.#packing;
  }

  /** Ends the packer if it still runs. What it finished stays in its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#giveUp();
    await this.#packing?.catch(() => undefined);
    this.#options.onEnd();
  }

  async #start(): Promise<string> {
    const { packer, folder, limits, signal } = this.#options;
    const stop = this.#stop.signal;
    const packing = packer.pack({
      folder,
      tar: this.#tar,
      atMost: { contentBytes: limits.contentBytes, names: limits.entries },
      tree: () => {
        if (this.#tree === undefined) throw badImage("the packer ended before its tar");
        return this.#tree;
      },
      signal: signal === undefined ? stop : AbortSignal.any([signal, stop]),
    });
    return await packing.catch(async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    });
  }

  #giveUp(): void {
    this.#givenUp = true;
    this.#pieces = [];
    this.#bytes = 0;
    this.#stop.abort();
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }
}

/** Many small pieces are few writes; large ones are not worth a copy. */
function* joinSmall(pieces: readonly Buffer[]): Generator<Buffer> {
  let small: Buffer[] = [];
  for (const piece of pieces) {
    if (piece.length < streaming.smallBytes) {
      small.push(piece);
      continue;
    }
    if (small.length > 0) yield Buffer.concat(small);
    small = [];
    yield piece;
  }
  if (small.length > 0) yield Buffer.concat(small);
}
