import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { entry, file, folder, hardLink, streamOf, symlink, type TestStore, tar, testStore, unsquashCat, unsquashList } from "./fixtures.ts";
import { squashfsPacker } from "./packer.ts";

const run = promisify(execFile);

/** The bytes of cap_net_raw+ep: not UTF-8, as file capabilities often are. */
const capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff";

let test: TestStore;

beforeAll(async () => {
  test = await testStore();
});
afterAll(async () => {
  await test[Symbol.asyncDispose]();
});

async function packed(bytes: Buffer): Promise<string> {
  await test.store.importTar(streamOf(bytes), { ref: "t" });
  return (await test.store.resolve("t")).rootfsPath;
}

describe("rootfs image", () => {
  it("keeps types, modes, owners, times, sizes and devices", async () => {
    const path = await packed(
      tar(
        folder("./", { mode: 0o711, uid: 12, gid: 34 }),
        folder("d", { mode: 0o1777 }),
        file("su", "1234", { mode: 0o4755, uid: 1, gid: 2, mtime: 1_234_567_890 }),
        file("big-ids", "", { uid: 3_000_000_000, gid: 262_144 }),
        symlink("l", "/d/x"),
        entry({ name: "mem", type: "character", mode: 0o640, major: 1, minor: 5 }),
        entry({ name: "disk", type: "block", mode: 0o660, gid: 6, major: 259, minor: 30 }),
        entry({ name: "p", type: "fifo", mode: 0o600 }),
        file("late", "", { mtime: 4_000_000_000 }),
      ),
    );
    expect(await unsquashList(path)).toEqual([
      "-rw-r--r-- 3000000000/262144 0 2001-09-09 01:46 big-ids",
      "drwxrwxrwt 0/0 3 2001-09-09 01:46 d",
      "brw-rw---- 0/6 259, 30 2001-09-09 01:46 disk",
      "lrwxrwxrwx 0/0 4 2001-09-09 01:46 l -> /d/x",
      "-rw-r--r-- 0/0 0 2096-10-02 07:06 late",
      "crw-r----- 0/0 1, 5 2001-09-09 01:46 mem",
      "prw------- 0/0 0 2001-09-09 01:46 p",
      "-rwsr-xr-x 1/2 4 2009-02-13 23:31 su",
    ]);
  });

  it("gives the root folder the image's owner, mode and time, whoever packed it", async () => {
    const folderLine = async (bytes: Buffer): Promise<string | undefined> => {
      const { stdout } = await run("unsquashfs", ["-llnumeric", "-UTC", await packed(bytes)]);
      return stdout
        .split("\n")
        .find((line) => line.endsWith(" squashfs-root"))
        ?.replace(/ +/g, " ");
    };
    expect(await folderLine(tar(folder("./", { mode: 0o711, uid: 12, gid: 12 }), file("a")))).toMatch(
      /^drwx--x--x 12\/12 \d+ 2001-09-09 01:46 /,
    );
    expect(await folderLine(tar(file("a", "", { uid: 65_534, gid: 65_534 }), file("b")))).toMatch(/^drwxr-xr-x 0\/0 \d+ 1970-01-01 00:00 /);
    expect(await folderLine(tar(file("b", "", { uid: 1000, gid: 1000 })))).toMatch(/^drwxr-xr-x 0\/0 /);
    expect(await folderLine(tar(folder(".", { uid: 5, gid: 7 }), file("b", "", { uid: 7, gid: 9 })))).toMatch(/^drwxr-xr-x 5\/7 /);
  });

  it("keeps attributes that are no UTF-8 and drops those that would steer the overlay", async () => {
    const xattrs = new Map([
      ["security.capability", capability],
      ["user.note", "caf\xe9"],
      ["trusted.overlay.opaque", "y"],
      ["system.posix_acl_access", "x"],
    ]);
    await using plain = await testStore({ packer: squashfsPacker({ compressor: "none" }) });
    await plain.store.importTar(streamOf(tar(file("ping", "x", { xattrs }))), { ref: "t" });
    const image = await readFile((await plain.store.resolve("t")).rootfsPath, "latin1");
    expect(image).toContain(capability);
    expect(image).toContain("note");
    expect(image).toContain("caf\xe9");
    for (const dropped of ["opaque", "posix_acl"]) expect(image).not.toContain(dropped);
  });

  it("keeps content byte for byte, small and large, and hard links as one file", async () => {
    const large = Buffer.alloc(3_000_001, "0123456789abcdef");
    const path = await packed(tar(file("d/small", "tiny"), file("large", large), hardLink("d/same", "large"), file("empty", "")));
    expect(await unsquashCat(path, "d/small")).toBe("tiny");
    expect(await unsquashCat(path, "d/same")).toBe(large.toString("latin1"));
    expect(await unsquashCat(path, "empty")).toBe("");
    const { stdout } = await run("unsquashfs", ["-s", path]);
    expect(stdout).toContain("Number of inodes 5");
  });

  it("is the same bytes for the same content", async () => {
    const bytes = tar(folder("./"), file("a", "1"), file("b", Buffer.alloc(200_000, "z")));
    const first = await readFile(await packed(bytes));
    await test.store.remove("t", { inUse: () => undefined });
    expect(first.equals(await readFile(await packed(bytes)))).toBe(true);
  });

  it("can be empty", async () => {
    const path = await packed(tar());
    expect(await unsquashList(path)).toEqual([]);
  });
});
