import { tarLimits } from "./config.ts";
import { isWhiteoutMeta, splitName, whiteoutOf } from "./entry-name.ts";
import { badImage } from "./failures.ts";
import { checkPlace, type Inode, type Place, RootTree, type TreeNode } from "./root-tree.ts";
import type { ByteString, TarEntry } from "./tar-header.ts";
import { printable } from "./tar-reader.ts";

const UINT32_MAX = 0xffff_ffff;
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xf_ffff;

/** A new name at the very path that its entry gives. */
export interface Addition {
  readonly kind: "added";
  readonly parts: readonly ByteString[];
  readonly inode: Inode;
  /** path of the name whose inode a hard link shares */
  readonly sameAs: ByteString | undefined;
  /** how many of the folders above it no entry had named yet */
  readonly made: number;
}

/** What an entry did to the tree; `other`: the tree is no longer what its entries say one after the other. */
export type Change = Addition | { readonly kind: "root" } | { readonly kind: "other" };

const other: Change = { kind: "other" };

/** The inode that a name got; `sameAs` is null when a hard link's target is not where its name says. */
interface Put {
  readonly inode: Inode;
  readonly sameAs: ByteString | null | undefined;
}

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
  apply(entry: TarEntry): Change {
    this.entries += 1;
    if (this.entries > this.#entriesMax) throw badImage(`it has more than ${this.#entriesMax} entries`);
    checkValues(entry);
    const parts = splitName(entry.name);
    const base = parts.at(-1);
    if (base === undefined) {
      if (entry.type !== "directory") throw badImage("its root is no folder");
      this.tree.root.inode = this.#inode(entry, "directory");
      return { kind: "root" };
    }
    if (isWhiteoutMeta(parts)) return other;
    const whiteout = whiteoutOf(base);
    const folderParts = parts.slice(0, -1);
    if (whiteout?.kind === "remove" || whiteout?.kind === "opaque") {
      const place = this.tree.walk(folderParts);
      if (place === undefined) return other;
      if (whiteout.kind === "opaque") this.tree.hideLower(place.folder, this.#layer);
      else this.tree.hideLowerName(place.folder, whiteout.name, this.#layer);
      return other;
    }
    const place = this.tree.walk(folderParts, { mtime: clampTime(entry.mtime), layer: this.#layer });
    if (place === undefined) return other;
    const fresh = place.straight && place.folder.children?.has(base) === false;
    const { inode, sameAs } = this.#put(place, base, entry);
    if (!fresh || sameAs === null) return other;
    return { kind: "added", parts, inode, sameAs, made: place.made };
  }

  #put(place: Place, base: ByteString, entry: TarEntry): Put {
    checkPlace(place.depth + 1, place.pathBytes + base.length, entry.name);
    const children = place.folder.children;
    const existing = children?.get(base);
    if (entry.type === "link") {
      const put = this.#linked(entry);
      if (existing?.inode === put.inode) return put;
      put.inode.links += 1;
      children?.delete(base);
      children?.set(base, { inode: put.inode, layer: this.#layer, children: undefined });
      return put;
    }
    const inode = this.#inode(entry, entry.type);
    if (entry.type === "directory" && existing?.children !== undefined) {
      existing.inode = inode;
      existing.layer = this.#layer;
      return { inode, sameAs: undefined };
    }
    const node: TreeNode = { inode, layer: this.#layer, children: entry.type === "directory" ? new Map() : undefined };
    children?.delete(base);
    children?.set(base, node);
    return { inode, sameAs: undefined };
  }

  /** The inode that a hard link names: its folder is walked to like any other, its last part is not followed. */
  #linked(entry: TarEntry): Put {
    const parts = splitName(entry.target);
    const base = parts.at(-1);
    const place = this.tree.walk(parts.slice(0, -1));
    const node = base === undefined ? this.tree.root : place?.folder.children?.get(base);
    const link = `the hard link ${printable(entry.name)} to ${printable(entry.target)}`;
    if (node === undefined) throw badImage(`${link} leads nowhere`);
    if (node.inode.type === "directory") throw badImage(`${link} leads to a folder`);
    return { inode: node.inode, sameAs: place?.straight === true ? parts.join("/") : null };
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
