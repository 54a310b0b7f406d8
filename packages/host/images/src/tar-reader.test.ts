import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { file, folder, hardLink, pax, paxRecord, seed, symlink, tar } from "./fixtures.ts";
import type { TarEntry } from "./tar-header.ts";
import { TarReader } from "./tar-reader.ts";

function read(bytes: Buffer, pieces: readonly number[] = [65_536]): TarEntry[] {
  const entries: TarEntry[] = [];
  const reader = new TarReader((entry) => entries.push(entry));
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = pieces[turn % pieces.length] ?? 1;
    reader.push(bytes.subarray(at, at + size));
    at += size;
  }
  reader.end();
  return entries;
}

const contentOf = (bytes: Buffer, { offset, size }: TarEntry): string => bytes.toString("latin1", offset, offset + size);
const long = `${"long/".repeat(60)}name`;

describe("tar reader", () => {
  it("reads what the writer wrote, in pieces of any size", () => {
    const bytes = tar(folder("d"), file(long, "x".repeat(1000)), hardLink("h", long), symlink("s", long), file("last", "end"));
    const whole = read(bytes);
    expect(whole.map(({ name }) => name)).toEqual(["d/", long, "h", "s", "last"]);
    expect(whole[2]?.target).toBe(long);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }), (pieces) => {
        expect(read(bytes, pieces)).toEqual(whole);
      }),
      { seed, numRuns: 100 },
    );
  });

  it("takes a last file that does not fill its block, and shows the rest of it as zeros", () => {
    const whole = file("a", "content");
    const shown: Buffer[] = [];
    const reader = new TarReader(
      () => undefined,
      (piece) => shown.push(piece),
    );
    reader.push(whole.subarray(0, 512 + 7));
    reader.end();
    expect(Buffer.concat(shown)).toEqual(whole.subarray(512));
    expect(read(whole.subarray(0, 512 + 7)).map(({ name, size }) => [name, size])).toEqual([["a", 7]]);
    expect(() => read(whole.subarray(0, 512 + 6))).toThrow(expect.objectContaining({ code: "BAD_IMAGE" }));
  });

  it.each(["gnu", "pax", "ustar", "v7"])("reads GNU tar's format %s", (format) => {
    const bytes = execFileSync("tar", [`--format=${format}`, "-cf", "-", "-C", import.meta.dirname, "tar-reader.ts", "."], {
      maxBuffer: 64 * 1024 * 1024,
    });
    const entries = read(bytes);
    expect(entries.find(({ name }) => name === "./")?.type).toBe("directory");
    const own = entries.find(({ name }) => name === "tar-reader.ts");
    expect(own?.type).toBe("file");
    expect(own === undefined ? "" : contentOf(bytes, own)).toContain("class TarReader");
  });

  it("agrees with tar-stream", async () => {
    const stream = pack();
    stream.entry({ name: "café", mode: 0o750, uid: 7, gid: 8, mtime: new Date(5000) }, "text");
    stream.entry({ name: long, type: "symlink", linkname: long });
    stream.finalize();
    const pieces: Buffer[] = [];
    for await (const piece of stream) if (Buffer.isBuffer(piece)) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    const [first, second] = read(bytes);
    expect(first).toMatchObject({ type: "file", mode: 0o750, uid: 7, gid: 8, mtime: 5, size: 4 });
    expect(Buffer.from(first?.name ?? "", "latin1").toString()).toBe("café");
    expect(second).toMatchObject({ type: "symlink", target: long });
  });

  it("takes from PAX what the plain header cannot hold, bytes unchanged", () => {
    const records = [
      paxRecord("path", "caf\xe9"),
      paxRecord("uid", "3000000000"),
      paxRecord("mtime", "1700000000.987"),
      paxRecord("SCHILY.xattr.security.capability", "\x01\x00\xff\n="),
    ];
    const [entry] = read(tar(pax(records.join("")), file("plain", "x")));
    expect(entry).toMatchObject({ name: "caf\xe9", uid: 3_000_000_000, mtime: 1_700_000_000 });
    expect(entry?.xattrs?.get("security.capability")).toBe("\x01\x00\xff\n=");
  });

  it("applies a PAX header to one entry only", () => {
    expect(read(tar(pax(paxRecord("path", "renamed")), file("a"), file("b"))).map(({ name }) => name)).toEqual(["renamed", "b"]);
  });
});
