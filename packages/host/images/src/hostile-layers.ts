import { gzipSync, zstdCompressSync } from "node:zlib";
import type { ErrorCode } from "@isthmus/contract";
import { entry, file, folder, hardLink, headerOf, patched, pax, paxRecord, symlink, tar } from "./fixtures.ts";
import { encodeEntry, endOfTar } from "./tar-writer.ts";

/** A root file system that somebody means harm with: it is refused with `code`, or becomes exactly `names`. */
export interface HostileLayer {
  readonly name: string;
  readonly bytes: () => Buffer;
  readonly code?: ErrorCode;
  readonly names?: readonly string[];
}

const refused = (name: string, bytes: () => Buffer, code: ErrorCode = "BAD_IMAGE"): HostileLayer => ({ name, bytes, code });
const safe = (name: string, names: readonly string[], bytes: () => Buffer): HostileLayer => ({ name, bytes, names });

const long = "n".repeat(256);
const deep = Array.from({ length: 300 }, () => "d").join("/");
const numberAt = (offset: number, text: string) => (): Buffer => tar(patched(encodeEntry(headerOf("a")), { [offset]: text }));

const escapes: readonly HostileLayer[] = [
  refused("parent folder in a name", () => tar(file("../outside"))),
  refused("parent folder inside a name", () => tar(file("a/../../outside"))),
  refused("parent folder at the end of a name", () => tar(folder("a/.."))),
  refused("parent folder as a whole name", () => tar(folder(".."))),
  refused("parent folder in a PAX path", () => tar(pax(paxRecord("path", "../../outside")), file("harmless"))),
  refused("parent folder in a GNU long name", () => tar(patched(file("long", "../../../outside\0"), { 156: "L" }), file("harmless"))),
  safe("absolute name", ["etc", "etc/passwd"], () => tar(file("/etc/passwd"))),
  safe("absolute name with many slashes", ["etc", "etc/passwd"], () => tar(file("////etc///passwd"))),
  safe("absolute link and a file through it", ["l", "outside", "outside/victim"], () => tar(symlink("l", "/outside"), file("l/victim"))),
  safe("relative link out and a file through it", ["l", "outside", "outside/x"], () => tar(symlink("l", "../../../outside"), file("l/x"))),
  safe("link to the parent and a file through it", ["l", "victim"], () => tar(symlink("l", ".."), file("l/victim"))),
  safe("link to the root and a file through it", ["l", "victim"], () => tar(symlink("l", "/"), file("l/victim"))),
  safe("chain of links and a file through it", ["a", "b", "c", "t", "t/x"], () =>
    tar(symlink("a", "b"), symlink("b", "c"), symlink("c", "../t"), file("a/x")),
  ),
  safe("link inside a linked folder", ["d", "d/up", "l", "victim"], () =>
    tar(folder("d"), symlink("d/up", "../.."), symlink("l", "d/up"), file("l/victim")),
  ),
  safe("link replaced by a folder before a file in it", ["l", "l/x"], () => tar(symlink("l", "/outside"), folder("l"), file("l/x"))),
  safe("folder replaced by a link before a file in it", ["d", "outside", "outside/x"], () =>
    tar(folder("d"), symlink("d", "/outside"), file("d/x")),
  ),
  safe("file written over a link to the outside", ["l"], () => tar(symlink("l", "/outside/victim"), file("l", "new"))),
  refused("link to itself in the way", () => tar(symlink("l", "l"), file("l/x"))),
  refused("two links to each other in the way", () => tar(symlink("a", "b"), symlink("b", "a"), file("a/x"))),
  refused("more than 40 links in the way", () =>
    tar(...Array.from({ length: 45 }, (_, at) => symlink(`l${at}`, `l${at + 1}`)), folder("l45"), file("l0/x")),
  ),
  refused("whiteout of the parent folder", () => tar(file(".wh..."))),
  refused("whiteout of the folder itself", () => tar(file(".wh.."))),
  refused("whiteout of nothing", () => tar(file(".wh."))),
  refused("whiteout beside the parent folder", () => tar(file("../.wh.victim"))),
  safe("whiteout through a link to the outside", ["l"], () => tar(symlink("l", "/outside"), file("l/.wh.victim"))),
  safe("opaque mark through a link to the outside", ["l"], () => tar(symlink("l", "../outside"), file("l/.wh..wh..opq"))),
  safe("opaque mark in the root", ["a"], () => tar(file("a"), file(".wh..wh..opq"))),
];

const hardLinks: readonly HostileLayer[] = [
  refused("hard link to nothing", () => tar(hardLink("a", "missing"))),
  refused("hard link before its file", () => tar(hardLink("a", "b"), file("b"))),
  refused("hard link out by a relative name", () => tar(hardLink("a", "../../outside/victim"))),
  refused("hard link out by an absolute name", () => tar(hardLink("a", "/outside/victim"))),
  refused("hard link through a link to the outside", () => tar(symlink("l", "/outside"), hardLink("a", "l/victim"))),
  refused("hard link to a folder", () => tar(folder("d"), hardLink("a", "d"))),
  refused("hard link to the root", () => tar(hardLink("a", "/"))),
  refused("hard link with an empty target", () => tar(hardLink("a", ""))),
  safe("hard link to itself", ["a"], () => tar(file("a"), hardLink("a", "a"))),
  safe("hard link to a link to the outside, written through", ["a", "l"], () =>
    tar(symlink("l", "/outside/victim"), hardLink("a", "l"), file("a", "new")),
  ),
  safe("link chain closed by a hard link", ["a", "b", "x"], () => tar(symlink("a", ".."), hardLink("b", "a"), file("b/x"))),
  safe("hard link whose header claims content", ["a", "b"], () => tar(file("a"), patched(hardLink("b", "a"), { 124: "00000001000" }))),
  safe("hard link whose file is replaced afterwards", ["a", "b"], () => tar(file("a", "old"), hardLink("b", "a"), file("a", "new"))),
  safe("hard link whose file is hidden afterwards", ["b", "x"], () =>
    tar(file("x/a", "1"), hardLink("b", "x/a"), symlink("x", "y"), file("b"), hardLink("x", "b")),
  ),
];

const names: readonly HostileLayer[] = [
  refused("name of 256 bytes", () => tar(pax(paxRecord("path", long)), file("a"))),
  safe("name of 255 bytes", [long.slice(1)], () => tar(pax(paxRecord("path", long.slice(1))), file("a"))),
  refused("path of 4,097 bytes", () => tar(pax(paxRecord("path", `${"d/".repeat(2048)}f`)), file("a"))),
  refused("path deeper than 256 folders", () => tar(pax(paxRecord("path", deep)), file("a"))),
  refused("place made too deep by links", () => {
    const hundred = "d/".repeat(100);
    const deepFolder = (name: string): Buffer => Buffer.concat([pax(paxRecord("path", name)), folder("a")]);
    const deepLink = (name: string, target: string): Buffer => Buffer.concat([pax(paxRecord("linkpath", target)), symlink(name, "x")]);
    return tar(
      deepFolder(hundred),
      deepLink("l1", hundred),
      deepFolder(`l1/${hundred}`),
      deepLink("l2", `l1/${hundred}`),
      deepFolder(`l2/${hundred}`),
    );
  }),
  refused("NUL in a PAX path", () => tar(pax(paxRecord("path", "a\0b")), file("a"))),
  refused("empty name", () => tar(file(""))),
  refused("root that is a file", () => tar(file("./", "x", { type: "symlink", target: "/outside" }))),
  safe("newline in a name", ["a\nb"], () => tar(file("a\nb"))),
  safe("terminal escapes in a name", ["\u001b[2J"], () => tar(file("\u001b[2J"))),
  safe("name that is no UTF-8", ["caf\u00e9"], () => tar(file("caf\u00e9"))),
  safe("name that looks like an option", ["-rf"], () => tar(file("-rf"))),
  safe("names with shell characters", ["$(touch x)", "`x`"], () => tar(file("$(touch x)"), file("`x`"))),
  safe("one name a thousand times", ["a"], () => tar(...Array.from({ length: 1000 }, (_, at) => file("a", `${at}`)))),
  safe("one name as file, folder, link, file", ["a"], () => tar(file("a"), folder("a"), file("a/x"), symlink("a", "/"), file("a"))),
  refused("file below a file", () => tar(file("a"), file("a/b"))),
  refused("link with an empty target", () => tar(symlink("a", ""))),
  refused("link target with a NUL", () => tar(pax(paxRecord("linkpath", "a\0b")), symlink("a", "x"))),
  refused("link target of 4,096 bytes", () => tar(pax(paxRecord("linkpath", "t".repeat(4096))), symlink("a", "x"))),
];

const headers: readonly HostileLayer[] = [
  safe("device nodes", ["disk", "mem"], () =>
    tar(entry({ name: "mem", type: "character", major: 1, minor: 1 }), entry({ name: "disk", type: "block", major: 8, minor: 0 })),
  ),
  safe("overlay whiteout device", ["gone"], () => tar(entry({ name: "gone", type: "character", major: 0, minor: 0 }))),
  refused("device number out of range", () => tar(entry({ name: "d", type: "block", major: 4096, minor: 0 }))),
  safe("setuid and setgid programs", ["su"], () => tar(file("su", "x", { mode: 0o6755 }))),
  safe("fifo", ["p"], () => tar(entry({ name: "p", type: "fifo" }))),
  safe("overlay marks in attributes", ["d"], () =>
    tar(
      folder("d", {
        xattrs: new Map([
          ["trusted.overlay.opaque", "y"],
          ["trusted.overlay.redirect", "/outside"],
        ]),
      }),
    ),
  ),
  refused("attribute of more than 64 KiB", () => tar(file("a", "x", { xattrs: new Map([["user.x", "x".repeat(65_537)]]) }))),
  refused("attribute with a long name", () => tar(pax(paxRecord(`SCHILY.xattr.user.${long}`, "x")), file("a"))),
  refused("hundred attributes", () =>
    tar(file("a", "x", { xattrs: new Map(Array.from({ length: 100 }, (_, at) => [`user.${at}`, "x"])) })),
  ),
  refused("owner out of range", () => tar(pax(paxRecord("uid", "4294967295")), file("a"))),
  refused("negative owner", numberAt(108, "\x80\xff\xff\xff\xff\xff\xff\xff")),
  refused("owner that is no number", numberAt(108, "rootroot")),
  refused("size of 8 EiB", numberAt(124, "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff")),
  refused("negative size", numberAt(124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf0")),
  refused("size larger than the tar", numberAt(124, "00000777777")),
  refused("PAX size larger than the tar", () => tar(pax(paxRecord("size", "9999999999")), file("a"))),
  refused("PAX size that is no number", () => tar(pax(paxRecord("size", "-1")), file("a"))),
  refused("PAX header of 4 GiB", () => tar(patched(encodeEntry(headerOf("x")), { 156: "x", 124: "37777777777" }))),
  refused("PAX record longer than its header", () => tar(pax("9999 path=a\n"), file("a"))),
  refused("PAX record without an equals sign", () => tar(pax("7 path\n"), file("a"))),
  refused("PAX record of length zero", () => tar(pax("0 path=a\n"), file("a"))),
  refused("PAX header with nothing after it", () => tar(pax(paxRecord("path", "a")))),
  safe("PAX record named __proto__", ["a"], () => tar(pax(paxRecord("__proto__", "x")), file("a"))),
  safe("global PAX header that renames everything", ["a"], () => tar(patched(pax(paxRecord("path", "../x")), { 156: "g" }), file("a"))),
  refused("unknown type", () => tar(patched(file("a", ""), { 156: "Z" }))),
  refused("sparse file", () => tar(patched(file("a", ""), { 156: "S" }))),
  refused("wrong checksum", () => tar(Buffer.concat([Buffer.from("x"), file("a").subarray(1)]))),
];

const streams: readonly HostileLayer[] = [
  refused("nothing at all", () => Buffer.alloc(0)),
  refused("text", () => Buffer.from("#!/bin/sh\nrm -rf /\n".repeat(100))),
  refused("random bytes", () => Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7919) % 251))),
  refused("cut in a header", () => tar(file("a")).subarray(0, 300)),
  refused("cut in content", () => tar(file("a", "x".repeat(5000))).subarray(0, 2000)),
  refused("entries after the end mark's first block", () => Buffer.concat([file("a"), endOfTar.subarray(512), file("b"), endOfTar])),
  safe("rubbish after the end mark", ["a"], () => Buffer.concat([tar(file("a")), Buffer.alloc(2048, 0xff)])),
  safe("no end mark", ["a"], () => file("a")),
  refused("gzip cut short", () => gzipSync(tar(file("a", "x".repeat(5000)))).subarray(0, 60)),
  refused("gzip with a wrong checksum", () => {
    const bytes = gzipSync(tar(file("a")));
    bytes.writeUInt32LE(1, bytes.length - 8);
    return bytes;
  }),
  refused("zstd cut short", () => zstdCompressSync(tar(file("a", "x".repeat(5000)))).subarray(0, 40)),
  refused("gzip of gzip", () => gzipSync(gzipSync(tar(file("a"))))),
  refused("gzip bomb", () => gzipSync(tar(file("a", Buffer.alloc(4_000_000))), { level: 9 })),
  refused("zstd bomb", () => zstdCompressSync(tar(file("a", Buffer.alloc(4_000_000))))),
  refused("more content than allowed", () => tar(file("a", Buffer.alloc(9_000_000, "x")))),
  refused("more entries than allowed", () => tar(...Array.from({ length: 2100 }, (_, at) => file(`f${at}`, "")))),
  refused("larger archive than allowed", () => tar(file("a", Buffer.alloc(17_000_000, "x"))), "TOO_LARGE"),
];

export const hostileLayers: readonly HostileLayer[] = [...escapes, ...hardLinks, ...names, ...headers, ...streams];
