import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { INITRAMFS_KEPT } from "./config.ts";
import { fakeBzImage, fakeModule, moduleTree, write } from "./debian.fixture.ts";
import { createKernels } from "./mod.ts";

let home = "";
let folder = "";
let agentPath = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "isthmus-kernels-"));
  folder = join(home, "kernels");
  agentPath = join(home, "agent");
  write(agentPath, "agent one");
  write(join(home, "isthmus-task"), "tar one");
});
afterEach(() => rmSync(home, { recursive: true }));

const make = (more: { configuredPath?: string; root?: string } = {}) =>
  createKernels({ folder, agentPath, fragmentPath: join(home, "none"), root: join(home, "host"), env: { PATH: "" }, ...more });

function addDebian(name: string): void {
  write(join(folder, "debian", name, "vmlinuz"), fakeBzImage(name));
  write(join(folder, "debian", name, "modules/order"), "virtio.ko\nsquashfs.ko\n");
  write(join(folder, "debian", name, "modules/virtio.ko"), fakeModule("virtio"));
  write(join(folder, "debian", name, "modules/squashfs.ko"), fakeModule("squashfs"));
}

function addHost(without: readonly string[] = []): void {
  write(join(home, "host/boot", `vmlinuz-${release()}`), fakeBzImage("9.9-host"));
  moduleTree(join(home, "host/lib/modules", release()), without);
}

function names(initramfs: string): string[] {
  return spawnSync("cpio", ["-it", "--quiet", "-F", initramfs], { encoding: "utf8" }).stdout.trim().split("\n");
}

describe("choice of a kernel", () => {
  it("says how to get one when there is none", async () => {
    await expect(make().resolve()).rejects.toMatchObject({ code: "KERNEL_NOT_FOUND", remedy: "Run: isthmus kernel fetch" });
    expect(await make().list()).toEqual([]);
  });

  it("prefers the configured one, then built, then Debian's newest, then the host's own", async () => {
    const version = async (configuredPath?: string) => (await make({ configuredPath }).resolve()).version;
    addHost();
    expect(await version()).toBe("9.9-host");
    addDebian("6.1.0-9-cloud-amd64_6.1.9-1");
    addDebian("6.1.0-10-cloud-amd64_6.1.10-1");
    expect(await version()).toBe("6.1.0-10-cloud-amd64_6.1.10-1");
    write(join(folder, "built/old/vmlinuz"), fakeBzImage("built-old"));
    write(join(folder, "built/new/vmlinuz"), fakeBzImage("built-new"));
    utimesSync(join(folder, "built/old/vmlinuz"), 1, 1);
    expect(await version()).toBe("built-new");
    const lasting = make();
    expect((await lasting.resolve()).version).toBe("built-new");
    rmSync(join(folder, "built/new"), { recursive: true });
    expect((await lasting.resolve()).version).toBe("built-old");
    write(join(folder, "built/new/vmlinuz"), fakeBzImage("built-new"));
    expect((await lasting.resolve()).version).toBe("built-new");
    write(join(home, "mine"), fakeBzImage("7.0-mine"));
    expect(await version(join(home, "mine"))).toBe("7.0-mine");
    const list = await make({ configuredPath: join(home, "mine") }).list();
    expect(list.map(({ source, selected }) => [source, selected])).toEqual([
      ["configured", true],
      ["built", false],
      ["built", false],
      ["debian", false],
      ["debian", false],
      ["host", false],
    ]);
  });

  it("never passes over a configured kernel that is not there", async () => {
    addDebian("6.1.0-9");
    await expect(make({ configuredPath: join(home, "gone") }).resolve()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("refuses the host's own kernel when it cannot carry a guest", async () => {
    addHost(["virtio_blk"]);
    await expect(make().resolve()).rejects.toMatchObject({ code: "KERNEL_NOT_FOUND" });
  });

  it.each(["agent", "isthmus-task"])("names the guest's program %s when it is not built", async (name) => {
    addDebian("6.1.0-9");
    rmSync(join(home, name));
    await expect(make().resolve()).rejects.toMatchObject({ code: "AGENT_BINARY_MISSING", details: { path: join(home, name) } });
    expect(await make().list()).toMatchObject([{ selected: true }]);
  });
});

describe("initramfs", () => {
  it("holds the agent as init, a console, the modules and their order", async () => {
    addDebian("6.1.0-9");
    const { initramfsPath } = await make().resolve();
    expect(names(initramfsPath)).toEqual([
      "dev",
      "dev/console",
      "init",
      "task",
      "modules",
      "modules/order",
      "modules/virtio.ko",
      "modules/squashfs.ko",
    ]);
  });

  it("has no modules for a kernel that has them built in", async () => {
    write(join(folder, "built/one/vmlinuz"), fakeBzImage("6.1-built"));
    expect(names((await make().resolve()).initramfsPath)).toEqual(["dev", "dev/console", "init", "task"]);
  });

  it("is made once, and anew when agent, tar program, kernel or a module changes", async () => {
    addDebian("6.1.0-9");
    const kernels = make();
    const first = await kernels.resolve();
    expect(await make().resolve()).toEqual(first);
    const seen = new Set([first.digest]);
    for (const file of [
      agentPath,
      join(home, "isthmus-task"),
      join(folder, "debian/6.1.0-9/vmlinuz"),
      join(folder, "debian/6.1.0-9/modules/virtio.ko"),
    ]) {
      appendFileSync(file, "x");
      seen.add((await kernels.resolve()).digest);
    }
    expect(seen.size).toBe(5);
  });

  it("is the same in a copy of the data folder, so that templates go on to fit", async () => {
    addDebian("6.1.0-9");
    const { digest } = await make().resolve();
    spawnSync("cp", ["-a", folder, `${folder}-copy`]);
    rmSync(folder, { recursive: true });
    spawnSync("mv", [`${folder}-copy`, folder]);
    expect((await make().resolve()).digest).toBe(digest);
  });

  it("leaves only the newest few on disk, and nothing half-made", async () => {
    addDebian("6.1.0-9");
    write(join(folder, "initramfs/.tmp-999999999-x"), "half");
    const kernels = make();
    for (let round = 0; round < INITRAMFS_KEPT + 3; round += 1) {
      appendFileSync(agentPath, "x");
      const { initramfsPath } = await kernels.resolve();
      expect(readdirSync(join(folder, "initramfs")).map((name) => join(folder, "initramfs", name))).toContain(initramfsPath);
    }
    const left = readdirSync(join(folder, "initramfs"));
    expect(left).toHaveLength(INITRAMFS_KEPT);
    expect(left.every((name) => name.endsWith(".cpio"))).toBe(true);
  });

  it("is one and the same for callers at the same time", async () => {
    addDebian("6.1.0-9");
    const kernels = make();
    const all = await Promise.all(Array.from({ length: 20 }, () => kernels.resolve()));
    expect(new Set(all.map(({ initramfsPath }) => initramfsPath)).size).toBe(1);
  });
});
