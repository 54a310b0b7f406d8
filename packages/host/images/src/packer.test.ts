import { chmod, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { file, leftovers, streamOf, tar, testStore } from "./fixtures.ts";
import { createImageStore } from "./image-store.ts";
import { squashfsPacker } from "./packer.ts";

const bytes = tar(file("a", "content"));

/** A program in the packer's place, to see what it is given and what becomes of its end. */
async function importWith(script: string): Promise<{ readonly error: unknown; readonly left: readonly string[]; readonly note: string }> {
  await using test = await testStore();
  // The packer is nobody: it must reach the script and the note.
  const base = dirname(test.folder);
  await chmod(base, 0o777);
  const program = join(base, "packer");
  const note = join(base, "note");
  await writeFile(program, `#!/bin/sh\nNOTE=${note}\n${script}\n`, { mode: 0o755 });
  const store = await createImageStore({ folder: test.folder, packer: squashfsPacker({ mksquashfs: program }) });
  const error = await store.importTar(streamOf(bytes), { ref: "a" }).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  return { error, left: await leftovers(test.folder), note: await readFile(note, "utf8").catch(() => "") };
}

describe("packer", () => {
  it.each(["SEGV", "ABRT", "KILL", "XFSZ"])("takes death by SIG%s for a bad image", async (signal) => {
    const { error, left } = await importWith(`kill -${signal} $$`);
    expect(error).toMatchObject({ code: "BAD_IMAGE", message: expect.stringContaining(`SIG${signal}`) });
    expect(left).toEqual([]);
  });

  it("reports a full disk and other failures as what they are", async () => {
    expect((await importWith("cat > /dev/null; echo 'Write failed because No space left on device' >&2; exit 1")).error).toMatchObject({
      code: "DISK_FULL",
    });
    const { error, left } = await importWith("echo broken >&2; exit 3");
    expect(error).toMatchObject({ code: "HOST_COMMAND_FAILED", message: expect.stringContaining("broken") });
    expect(left).toEqual([]);
  });

  it.each([
    ["nothing", "cat > /dev/null"],
    ["a link", "cat > /dev/null; ln -s /etc/passwd rootfs.squashfs"],
    ["a folder", "cat > /dev/null; mkdir rootfs.squashfs"],
    ["another format", "cat > /dev/null; head -c 4096 /dev/zero > rootfs.squashfs"],
    ["a hard link", "cat > /dev/null; echo x > x; ln x rootfs.squashfs"],
  ])("refuses %s as its result", async (_, script) => {
    const { error, left } = await importWith(script);
    expect(error).toMatchObject({ code: "BAD_IMAGE" });
    expect(left).toEqual([]);
  });

  it("runs with an empty environment, no privileges and hard limits", async () => {
    const { note } = await importWith(
      "{ env; id -u; grep -E 'NoNewPrivs|CapEff|CapBnd' /proc/self/status; cat /proc/self/limits; } > $NOTE",
    );
    const env = note.split("\n").filter((line) => /^[A-Z]\w*=/.test(line) && !/^(PWD|OLDPWD|NOTE|_|SHLVL)=/.test(line));
    expect(env).toEqual([]);
    expect(note).toMatch(/NoNewPrivs:\s+1/);
    expect(note).toMatch(/CapEff:\s+0{16}/);
    expect(note).toMatch(/Max core file size +0 +0/);
    expect(note).toMatch(/Max address space +\d+/);
    expect(note).toMatch(/Max file size +\d+/);
    if (process.getuid?.() === 0) expect(note).toMatch(/^65534$/m);
  });
});
