import { tarLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import type { ByteString, TarEntry } from "./tar-header.ts";
import { printable } from "./tar-reader.ts";

/** What several names may share. `source` is the number of the layer file that `offset` counts in. */
export interface Inode extends Omit<TarEntry, "name" | "type"> {
  readonly type: Exclude<TarEntry["type"], "link">;
  readonly source: number;
  /** names it was given; never less than it has now */
  links: number;
}

export interface TreeNode {
  inode: Inode;
  /** the layer that last said something about this name */
  layer: number;
  readonly children: Map<ByteString, TreeNode> | undefined;
}

/** A folder reached by a walk. */
export interface Place {
  readonly folder: TreeNode;
  readonly depth: number;
  readonly pathBytes: number;
  /** how many folders at the end of the way the walk made */
  readonly made: number;
  /** false when a symbolic link was followed: the folder's real path is another than the one walked */
  readonly straight: boolean;
}

export function folderInode(mtime: number): Inode {
  return {
    type: "directory",
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: 0,
    mtime,
    target: "",
    major: 0,
    minor: 0,
    xattrs: undefined,
    offset: 0,
    source: 0,
    links: 1,
  };
}

/** The merged file tree of an image, in memory only. */
export class RootTree {
  readonly root: TreeNode = { inode: folderInode(0), layer: 0, children: new Map() };

  /**
   * Walks to the folder that `parts` name, following symbolic links within the image's root as containerd does. Missing folders are made when `create`
   * gives their time and layer, else the answer is undefined. Throws BAD_IMAGE for loops and for files in the way.
   */
  walk(parts: readonly ByteString[], create?: { readonly mtime: number; readonly layer: number }): Place | undefined {
    const stack: { readonly node: TreeNode; readonly name: ByteString }[] = [];
    let current = this.root;
    let hops = 0;
    let made = 0;
    const ahead = [...parts].reverse();
    for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        stack.pop();
        current = stack.at(-1)?.node ?? this.root;
        continue;
      }
      let next = current.children?.get(part);
      if (next === undefined) {
        if (create === undefined) return undefined;
        next = { inode: folderInode(create.mtime), layer: create.layer, children: new Map() };
        checkPlace(stack.length + 1, pathBytes(stack) + part.length + 1, part);
        current.children?.set(part, next);
        made += 1;
      }
      if (next.inode.type === "symlink") {
        hops += 1;
        if (hops > tarLimits.symlinkHops) throw badImage(`the folder ${printable(parts.join("/"))} is a loop of symbolic links`);
        const target = next.inode.target;
        if (target.startsWith("/")) {
          stack.length = 0;
          current = this.root;
        }
        ahead.push(...target.split("/").reverse());
        continue;
      }
      if (next.children === undefined) {
        if (create === undefined) return undefined;
        throw badImage(`${printable(parts.join("/"))} has a part that is no folder`);
      }
      stack.push({ node: next, name: part });
      current = next;
    }
    return { folder: current, depth: stack.length, pathBytes: pathBytes(stack), made, straight: hops === 0 };
  }

  /** Takes away what layers below `layer` put into `folder`; names that `layer` itself gave stay. */
  hideLower(folder: TreeNode, layer: number): void {
    const children = folder.children;
    if (children === undefined) return;
    for (const name of [...children.keys()]) this.hideLowerName(folder, name, layer);
  }

  hideLowerName(folder: TreeNode, name: ByteString, layer: number): void {
    const node = folder.children?.get(name);
    if (node === undefined) return;
    this.hideLower(node, layer);
    if (node.layer !== layer && (node.children === undefined || node.children.size === 0)) folder.children?.delete(name);
  }
}

function pathBytes(stack: readonly { readonly name: ByteString }[]): number {
  let bytes = 0;
  for (const { name } of stack) bytes += name.length + 1;
  return bytes;
}

/** Links can make a place deeper than its name: the real one is what counts. Throws BAD_IMAGE. */
export function checkPlace(depth: number, bytes: number, name: ByteString): void {
  if (depth > tarLimits.depth || bytes > tarLimits.pathBytes) throw badImage(`the place of ${printable(name)} is too deep`);
}
