import { streaming, tarLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import { RangeReader } from "./range-reader.ts";
import type { Inode, RootTree, TreeNode } from "./root-tree.ts";
import type { ByteString } from "./tar-header.ts";
import { encodeEntry, endOfTar, padding } from "./tar-writer.ts";

export interface TreeMeasure {
  /** of all files, hard links once */
  readonly contentBytes: number;
  readonly names: number;
  /** owners and groups */
  readonly ids: ReadonlySet<number>;
}

/** Throws BAD_IMAGE for more owners than squashfs can number. */
export function measure(tree: RootTree): TreeMeasure {
  const seen = new Set<Inode>();
  const ids = new Set<number>();
  let contentBytes = 0;
  let names = 0;
  for (const { node } of walkTree(tree)) {
    names += 1;
    ids.add(node.inode.uid).add(node.inode.gid);
    if (node.inode.links > 1) {
      if (seen.has(node.inode)) continue;
      seen.add(node.inode);
    }
    contentBytes += node.inode.size;
  }
  if (ids.size > tarLimits.ids) throw badImage(`it has more than ${tarLimits.ids} different owners and groups`);
  return { contentBytes, names, ids };
}

/** Every name below the root, a folder before what is in it. */
function* walkTree(tree: RootTree): Generator<{ readonly path: ByteString; readonly node: TreeNode }> {
  const stack = [{ prefix: "", entries: (tree.root.children ?? new Map<ByteString, TreeNode>()).entries() }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.entries.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const [name, node] = next.value;
    const path = `${top.prefix}${name}`;
    yield { path, node };
    if (node.children !== undefined) stack.push({ prefix: `${path}/`, entries: node.children.entries() });
  }
}

/** Small pieces joined into few writes. */
class Batch {
  #pieces: Buffer[] = [];
  #bytes = 0;

  add(piece: Buffer): boolean {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    return this.#bytes >= streaming.chunkBytes;
  }

  take(): Buffer {
    const [first] = this.#pieces;
    const whole = first !== undefined && this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    return whole;
  }
}

/**
 * The merged tree as one clean tar: each name once, hard links after the file they share, content copied from the layers' uncompressed files
 * (`sources`, by layer). The root folder's own attributes are not in it.
 */
export async function* rootfsTar(tree: RootTree, sources: readonly string[], onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  const readers = new Map<number, RangeReader>();
  const firstPaths = new Map<Inode, ByteString>();
  const batch = new Batch();
  try {
    for (const { path, node } of walkTree(tree)) {
      const { inode } = node;
      const first = firstPaths.get(inode);
      if (first !== undefined) {
        if (batch.add(encodeEntry({ ...inode, name: path, type: "link", target: first, size: 0, xattrs: undefined }))) yield batch.take();
        continue;
      }
      if (inode.links > 1) firstPaths.set(inode, path);
      if (batch.add(encodeEntry({ ...inode, name: path }))) yield batch.take();
      if (inode.size === 0) continue;
      const reader = readers.get(inode.source) ?? (await RangeReader.open(sources[inode.source] ?? ""));
      readers.set(inode.source, reader);
      for (let done = 0; done < inode.size; ) {
        const piece = await reader.read(inode.offset + done, inode.size - done);
        done += piece.length;
        if (batch.add(piece)) yield batch.take();
      }
      onBytes(inode.size);
      if (batch.add(padding(inode.size))) yield batch.take();
    }
    batch.add(endOfTar);
    yield batch.take();
  } finally {
    for (const reader of readers.values()) await reader.close();
  }
}
