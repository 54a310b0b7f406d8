import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { hasCode } from "@isthmus/contract";
import { type Header, pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packTree } from "./pack.ts";
import { place } from "./placement.ts";
import { folderArchive } from "./source.ts";
import { unpackTree } from "./unpack.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "isthmus-cp-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (...parts: string[]) => path.join(folder, ...parts);

type Item = Partial<Header> & { readonly name: string; readonly body?: string };

function tar(items: readonly Item[]): Readable {
  const archive = pack();
  for (const { body, ...header } of items) archive.entry(header, body ?? "");
  archive.finalize();
  return Readable.from(archive, { objectMode: false });
}

function unpack(items: readonly Item[], name = "src"): Promise<number> {
  mkdirSync(at("out"), { recursive: true });
  return unpackTree(tar(items), { folder: at("out"), name, sourceName: "src", keepOwners: false });
}

describe("a copy of a tree", () => {
  it("is the same on the other side, under its new name", async () => {
    mkdirSync(at("src", "sub", "empty"), { recursive: true });
    writeFileSync(at("src", "big"), Buffer.alloc(300_000, 7));
    writeFileSync(at("src", "none"), "");
    writeFileSync(at("src", "sub", "täxt 日本"), "hello");
    writeFileSync(at("src", "x".repeat(200)), "long name");
    chmodSync(at("src", "sub", "täxt 日本"), 0o640);
    symlinkSync("../elsewhere", at("src", "sub", "link"));
    mkdirSync(at("out"));
    const archive = packTree(at("src"), { name: "src", keepOwners: false, followSource: false });
    await unpackTree(archive, { folder: at("out"), name: "new", sourceName: "src", keepOwners: false });
    expect(readdirSync(at("out"))).toEqual(["new"]);
    expect(readFileSync(at("out", "new", "big")).equals(Buffer.alloc(300_000, 7))).toBe(true);
    expect(readFileSync(at("out", "new", "none"), "utf8")).toBe("");
    expect(readFileSync(at("out", "new", "x".repeat(200)), "utf8")).toBe("long name");
    expect(lstatSync(at("out", "new", "sub", "täxt 日本")).mode & 0o777).toBe(0o640);
    expect(readlinkSync(at("out", "new", "sub", "link"))).toBe("../elsewhere");
    expect(lstatSync(at("out", "new", "sub", "empty")).isDirectory()).toBe(true);
    expect(lstatSync(at("out", "new", "big")).mtimeMs).toBeCloseTo(Math.floor(lstatSync(at("src", "big")).mtimeMs / 1000) * 1000, -3);
  });

  it("can be its content only, and leaves out what is no file", async () => {
    mkdirSync(at("src"));
    writeFileSync(at("src", "a"), "a");
    mkdirSync(at("out"));
    const archive = packTree(at("src"), { name: "", keepOwners: false, followSource: false });
    await unpackTree(archive, { folder: at("out"), name: "", sourceName: "", keepOwners: false });
    expect(readdirSync(at("out"))).toEqual(["a"]);
    const skipped: string[] = [];
    const device = packTree("/dev/null", { name: "null", keepOwners: false, followSource: false, onSkipped: (file) => skipped.push(file) });
    await buffer(device);
    expect(skipped).toEqual(["/dev/null"]);
  });

  it("fails with the local path when there is nothing to read", async () => {
    const archive = packTree(at("nothing"), { name: "x", keepOwners: false, followSource: false });
    await expect(buffer(archive)).rejects.toSatisfy((error) => hasCode(error, "LOCAL_FILE"));
  });
});

describe("an archive from a guest", () => {
  it("keeps hard links and replaces files, not folders", async () => {
    mkdirSync(at("out", "src", "folder"), { recursive: true });
    writeFileSync(at("out", "src", "a"), "old");
    await unpack([
      { name: "src/", type: "directory" },
      { name: "src/a", body: "new" },
      { name: "src/b", type: "link", linkname: "src/a" },
    ]);
    expect(readFileSync(at("out", "src", "b"), "utf8")).toBe("new");
    expect(lstatSync(at("out", "src", "a")).ino).toBe(lstatSync(at("out", "src", "b")).ino);
    await expect(unpack([{ name: "src/folder", body: "x" }])).rejects.toThrow(/a folder is in the way/);
  });

  it("brings no set-id bits and no devices", async () => {
    await unpack([
      { name: "src/su", mode: 0o4755, body: "#!/bin/sh" },
      { name: "src/dev", type: "block-device", devmajor: 8, devminor: 0 },
    ]);
    expect(lstatSync(at("out", "src", "su")).mode & 0o7777).toBe(0o755);
    expect(existsSync(at("out", "src", "dev"))).toBe(false);
  });

  const hostile: readonly (readonly [string, readonly Item[]])[] = [
    ["climbing names", [{ name: "src/../../evil", body: "x" }]],
    ["names of another tree", [{ name: "etc/passwd", body: "x" }]],
    ["absolute names", [{ name: "/etc/evil-isthmus", body: "x" }]],
    [
      "a symbolic link that a later entry goes through",
      [
        { name: "src/link", type: "symlink", linkname: "/tmp" },
        { name: "src/link/evil-isthmus", body: "x" },
      ],
    ],
    [
      "a symbolic link turned folder",
      [
        { name: "src/link", type: "symlink", linkname: "/tmp" },
        { name: "src/link/", type: "directory" },
        { name: "src/link/evil-isthmus", body: "x" },
      ],
    ],
    ["a hard link to a file of this host", [{ name: "src/passwd", type: "link", linkname: "/etc/passwd" }]],
    ["a climbing hard link", [{ name: "src/passwd", type: "link", linkname: "src/../../../../etc/passwd" }]],
    [
      "a hard link through a symbolic one",
      [
        { name: "src/link", type: "symlink", linkname: "/etc" },
        { name: "src/passwd", type: "link", linkname: "src/link/passwd" },
      ],
    ],
  ];
  it.each(hostile)("is refused for %s", async (_what, items) => {
    await expect(unpack(items)).rejects.toSatisfy((error) => hasCode(error, "BAD_ARCHIVE"));
    expect(existsSync("/tmp/evil-isthmus") || existsSync("/etc/evil-isthmus") || existsSync(at("evil"))).toBe(false);
    expect(existsSync(at("out", "src", "passwd"))).toBe(false);
  });

  it("is refused for a symbolic link in the destination that was there before", async () => {
    mkdirSync(at("out", "src"), { recursive: true });
    mkdirSync(at("elsewhere"));
    symlinkSync(at("elsewhere"), at("out", "src", "etc"));
    await expect(unpack([{ name: "src/etc/x", body: "x" }])).rejects.toThrow(/not a folder/);
    expect(readdirSync(at("elsewhere"))).toEqual([]);
  });

  it("writes over a symbolic link, not through it", async () => {
    mkdirSync(at("out", "src"), { recursive: true });
    writeFileSync(at("victim"), "safe");
    symlinkSync(at("victim"), at("out", "src", "x"));
    linkSync(at("victim"), at("out", "src", "y"));
    await unpack([
      { name: "src/x", body: "new" },
      { name: "src/y", body: "new" },
    ]);
    expect(readFileSync(at("victim"), "utf8")).toBe("safe");
    expect(readFileSync(at("out", "src", "x"), "utf8")).toBe("new");
  });

  it.each([Buffer.alloc(700, 1), Buffer.from("no tar at all")])("is refused when it is none", async (bytes) => {
    mkdirSync(at("out"));
    const copy = unpackTree(Readable.from([bytes]), { folder: at("out"), name: "a", sourceName: "src", keepOwners: false });
    await expect(copy).rejects.toSatisfy((error) => hasCode(error, "BAD_ARCHIVE"));
  });
});

describe("where a copy lands", () => {
  const file = { path: "/from/a", isFolder: false, contentOnly: false };
  const tree = { path: "/from/d", isFolder: true, contentOnly: false };
  const content = { ...tree, contentOnly: true };
  it.each([
    ["a file into a folder", file, { path: "/to", found: "folder", folderMeant: false }, { folder: "/to", name: "a" }],
    ["a file over a file", file, { path: "/to/b", found: "other", folderMeant: false }, { folder: "/to", name: "b" }],
    ["a file under a new name", file, { path: "/to/b", folderMeant: false }, { folder: "/to", name: "b" }],
    ["a folder into a folder", tree, { path: "/to", found: "folder", folderMeant: false }, { folder: "/to", name: "d" }],
    ["a folder's content into a folder", content, { path: "/to", found: "folder", folderMeant: true }, { folder: "/to", name: "" }],
    ["a folder under a new name", tree, { path: "/to/e", folderMeant: true }, { folder: "/to", name: "e" }],
    ["a folder's content under a new name", content, { path: "/to/e", folderMeant: false }, { folder: "/to", name: "e" }],
    ["into the root", file, { path: "/", found: "folder", folderMeant: true }, { folder: "/", name: "a" }],
  ] as const)("%s", (_name, source, destination, expected) => {
    expect(place(source, destination)).toEqual(expected);
  });

  it.each([
    ["a file into a folder that is not there", file, { path: "/to/x", folderMeant: true }],
    ["a folder over a file", tree, { path: "/to/b", found: "other", folderMeant: false }],
    ["a file over a file that is meant to be a folder", file, { path: "/to/b", found: "other", folderMeant: true }],
  ] as const)("refuses %s", (_name, source, destination) => {
    expect(() => place(source, destination)).toThrow(/cannot use \/to/);
  });
});

describe("a folder given to image import", () => {
  it("becomes an archive with owners, links and attributes", async () => {
    writeFileSync(at("a"), "a");
    symlinkSync("/etc/shadow", at("link"));
    const bytes = await buffer(folderArchive(folder));
    const text = bytes.toString("latin1");
    expect(text).toContain("./a");
    expect(text).toContain("/etc/shadow");
  });

  it("fails with tar's own words when it cannot be read", async () => {
    await expect(buffer(folderArchive(at("nothing")))).rejects.toThrow(/nothing/);
  });
});
