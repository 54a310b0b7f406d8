import { tarLimits } from "./config.ts";
import { isWhiteoutMeta, splitName, whiteoutOf } from "./entry-name.ts";
import { badImage } from "./failures.ts";
import { checkPlace, type Inode, type Place, RootTree, type TreeNode } from "./root-tree.ts";
import type { ByteString, TarEntry } from "./tar-header.ts";
import { printable } from "./tar-reader.ts";

const UINT32_MAX = 0xffff_ffff;
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xf_ffff;

/**
 * Merges layers, lowest first, into one tree (image-spec v1.1, layer.md). Within a layer the last entry of a name wins; whiteouts hide lower layers only,
 * in whatever order they come. Every name stays inside the tree: nothing here knows the host's file system.
 */
export class LayerMerge {
  readonly tree = new RootTree();
  entries = 0;
  #layer = 0;
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  /** Begins the next layer; its number is the `source` of its inodes. */
  begin(layer: number): void {
    this.#layer = layer + 1;
  }

  /** Throws BAD_IMAGE. */
  apply(entry: TarEntry): void {
    this.entries += 1;
    if (this.entries > this.#entriesMax) throw badImage(`it has more than ${this.#entriesMax} entries`);
    checkValues(entry);
    const parts = splitName(entry.name);
    const base = parts.at(-1);
    if (base === undefined) {
      if (entry.type !== "directory") throw badImage("its root is no folder");
      this.tree.root.inode = this.#inode(entry, "directory");
      return;
    }
    if (isWhiteoutMeta(parts)) return;
    const whiteout = whiteoutOf(base);
    const folderParts = parts.slice(0, -1);
    if (whiteout?.kind === "remove" || whiteout?.kind === "opaque") {
      const place = this.tree.walk(folderParts);
      if (place === undefined) return;
      if (whiteout.kind === "opaque") this.tree.hideLower(place.folder, this.#layer);
      else this.tree.hideLowerName(place.folder, whiteout.name, this.#layer);
      return;
    }
    const place = this.tree.walk(folderParts, { mtime: clampTime(entry.mtime), layer: this.#layer });
    if (place !== undefined) this.#put(place, base, entry);
  }

  #put(place: Place, base: ByteString, entry: TarEntry): void {
    checkPlace(place.depth + 1, place.pathBytes + base.length, entry.name);
    const children = place.folder.children;
    const existing = children?.get(base);
    if (entry.type === "link") {
      const target = this.#linked(entry);
      if (existing?.inode === target) return;
      target.links += 1;
      children?.delete(base);
      children?.set(base, { inode: target, layer: this.#layer, children: undefined });
      return;
    }
    const inode = this.#inode(entry, entry.type);
    if (entry.type === "directory" && existing?.children !== undefined) {
      existing.inode = inode;
      existing.layer = this.#layer;
      return;
    }
    const node: TreeNode = { inode, layer: this.#layer, children: entry.type === "directory" ? new Map() : undefined };
    children?.delete(base);
    children?.set(base, node);
  }

  /** The inode that a hard link names: its folder is walked to like any other, its last part is not followed. */
  #linked(entry: TarEntry): Inode {
    const parts = splitName(entry.target);
    const base = parts.at(-1);
    const node = base === undefined ? this.tree.root : this.tree.walk(parts.slice(0, -1))?.folder.children?.get(base);
    const link = `the hard link ${printable(entry.name)} to ${printable(entry.target)}`;
    if (node === undefined) throw badImage(`${link} leads nowhere`);
    if (node.inode.type === "directory") throw badImage(`${link} leads to a folder`);
    return node.inode;
  }

  #inode(entry: TarEntry, type: Inode["type"]): Inode {
    return {
      type,
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      size: entry.size,
      mtime: clampTime(entry.mtime),
      target: type === "symlink" ? entry.target : "",
      major: entry.major,
      minor: entry.minor,
      xattrs: entry.xattrs,
      offset: entry.offset,
      source: this.#layer - 1,
      links: 1,
    };
  }
}

/** squashfs keeps whole seconds from 1970 to 2106. */
function clampTime(mtime: number): number {
  return Math.min(Math.max(Math.floor(mtime), 0), UINT32_MAX);
}

function checkValues(entry: TarEntry): void {
  const name = printable(entry.name);
  for (const id of [entry.uid, entry.gid])
    if (!Number.isInteger(id) || id < 0 || id >= UINT32_MAX) throw badImage(`${name} has an owner or group out of range`);
  if (entry.type === "symlink") {
    const { target } = entry;
    if (target === "" || target.length > tarLimits.pathBytes || target.includes("\0"))
      throw badImage(`the symbolic link ${name} has a bad target`);
  }
  if (entry.type === "character" || entry.type === "block")
    if (entry.major < 0 || entry.major > MAJOR_MAX || entry.minor < 0 || entry.minor > MINOR_MAX)
      throw badImage(`${name} has a device number out of range`);
}
