import { describe, expect, it } from "vitest";
import { file, folder, hardLink, symlink, tar } from "./fixtures.ts";
import { LayerMerge } from "./layer-merge.ts";
import type { TreeNode } from "./root-tree.ts";
import { TarReader } from "./tar-reader.ts";

function merge(...layers: readonly Buffer[]): LayerMerge {
  const merged = new LayerMerge(1000);
  for (const [index, layer] of layers.entries()) {
    merged.begin(index);
    const reader = new TarReader((entry) => merged.apply(entry));
    reader.push(layer);
    reader.end();
  }
  return merged;
}

function names(node: TreeNode, prefix = ""): string[] {
  return [...(node.children ?? [])].flatMap(([name, child]) => [`${prefix}${name}`, ...names(child, `${prefix}${name}/`)]).sort();
}

const namesOf = (...layers: readonly Buffer[]): string[] => names(merge(...layers).tree.root);

describe("layer merge", () => {
  it("takes from lower layers what a whiteout names", () => {
    expect(namesOf(tar(file("a"), folder("d"), file("d/x"), file("d/y")), tar(file(".wh.a"), file("d/.wh.x")))).toEqual(["d", "d/y"]);
  });

  it("lets a whiteout hide lower layers only, in whatever order it comes", () => {
    expect(namesOf(tar(file("a", "old")), tar(file("a", "new"), file(".wh.a")))).toEqual(["a"]);
    expect(namesOf(tar(file("a", "old")), tar(file(".wh.a"), file("a", "new")))).toEqual(["a"]);
  });

  it("keeps this layer's names in a folder whose lower part is hidden", () => {
    expect(namesOf(tar(folder("d"), file("d/old")), tar(file("d/new"), file(".wh.d")))).toEqual(["d", "d/new"]);
  });

  it("empties an opaque folder of lower layers' names, in whatever order the mark comes", () => {
    const lower = tar(folder("d"), file("d/x"), folder("d/s"), file("d/s/y"));
    expect(namesOf(lower, tar(folder("d"), file("d/.wh..wh..opq"), file("d/n")))).toEqual(["d", "d/n"]);
    expect(namesOf(lower, tar(file("d/n"), file("d/s/m"), file("d/.wh..wh..opq")))).toEqual(["d", "d/n", "d/s", "d/s/m"]);
  });

  it("passes over whiteouts of what is not there", () => {
    expect(namesOf(tar(file("a")), tar(file(".wh.b"), file("no/such/.wh.c"), file("a/.wh.d")))).toEqual(["a"]);
  });

  it("passes over marks that only aufs knew", () => {
    expect(namesOf(tar(folder(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file(".wh..wh.aufs"), file("a")))).toEqual(["a"]);
  });

  it("replaces a folder by a file and a file by a folder", () => {
    expect(namesOf(tar(folder("d"), file("d/x")), tar(file("d")))).toEqual(["d"]);
    expect(namesOf(tar(file("d")), tar(folder("d"), file("d/x")))).toEqual(["d", "d/x"]);
  });

  it("keeps a folder's content when a later layer only changes the folder", () => {
    const merged = merge(tar(folder("d"), file("d/x")), tar(folder("d", { mode: 0o700, uid: 7 })));
    expect(names(merged.tree.root)).toEqual(["d", "d/x"]);
    expect(merged.tree.root.children?.get("d")?.inode).toMatchObject({ mode: 0o700, uid: 7 });
  });

  it("lets the last of several entries of one name win", () => {
    const merged = merge(tar(file("a", "1"), file("a", "22"), file("a", "333")));
    expect(merged.tree.root.children?.get("a")?.inode.size).toBe(3);
  });

  it("shares one inode between hard links, across layers too", () => {
    const root = merge(tar(file("a", "x"), hardLink("b", "a")), tar(hardLink("c", "/b"), file("a", "new"))).tree.root;
    expect(root.children?.get("b")?.inode).toBe(root.children?.get("c")?.inode);
    expect(root.children?.get("a")?.inode).not.toBe(root.children?.get("b")?.inode);
    expect(root.children?.get("c")?.inode.size).toBe(1);
  });

  it("follows a link in the way of a name, but never out of the image", () => {
    expect(namesOf(tar(symlink("lib", "usr/lib"), file("lib/x")))).toEqual(["lib", "usr", "usr/lib", "usr/lib/x"]);
    expect(namesOf(tar(symlink("up", "../../.."), file("up/x")))).toEqual(["up", "x"]);
    expect(namesOf(tar(symlink("abs", "/etc"), file("abs/passwd")))).toEqual(["abs", "etc", "etc/passwd"]);
  });

  it("replaces a link by a folder of the same name instead of following it", () => {
    expect(namesOf(tar(folder("t"), symlink("l", "t"), folder("l"), file("l/x")))).toEqual(["l", "l/x", "t"]);
  });

  it("makes missing folders and takes the attributes of the root", () => {
    const root = merge(tar(folder("./", { mode: 0o711, uid: 3 }), file("a/b/c"))).tree.root;
    expect(root.inode).toMatchObject({ mode: 0o711, uid: 3 });
    expect(names(root)).toEqual(["a", "a/b", "a/b/c"]);
    expect(root.children?.get("a")?.inode).toMatchObject({ mode: 0o755, uid: 0 });
  });

  it("refuses loops of links, files in the way, links to nothing and names that lead out", () => {
    expect(() => namesOf(tar(symlink("a", "b"), symlink("b", "a"), file("a/x")))).toThrow("loop");
    expect(() => namesOf(tar(file("a"), file("a/x")))).toThrow("no folder");
    expect(() => namesOf(tar(hardLink("a", "nothing")))).toThrow("leads nowhere");
    expect(() => namesOf(tar(folder("d"), hardLink("a", "d")))).toThrow("leads to a folder");
    expect(() => namesOf(tar(file("a/../b")))).toThrow("out of the image");
  });
});
