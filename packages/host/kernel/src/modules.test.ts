import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakeModule, moduleTree, write } from "./debian.fixture.ts";
import { moduleDependencies, moduleName, readModule } from "./module-file.ts";
import { collectModules } from "./modules.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-modules-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("modules of a kernel", () => {
  it("come with all they depend on, dependencies first, and without the built-in ones", async () => {
    moduleTree(folder);
    const { modules, missing } = await collectModules(folder);
    const order = modules.map(({ file }) => file);
    expect(missing).toEqual([]);
    expect(order.slice(0, 3)).toEqual(["virtio_ring.ko", "virtio.ko", "virtio_mmio.ko"]);
    expect(order.indexOf("failover.ko")).toBeLessThan(order.indexOf("net_failover.ko"));
    expect(order.indexOf("net_failover.ko")).toBeLessThan(order.indexOf("virtio_net.ko"));
    expect(order).toContain("virtio_rng.ko");
    expect(order).not.toContain("ext4.ko");
    expect(order).not.toContain("useless.ko");
    expect(new Set(order).size).toBe(order.length);
  });

  it("name what a guest cannot do without and the kernel does not have", async () => {
    moduleTree(folder, ["overlay", "virtio_ring"]);
    expect([...(await collectModules(folder)).missing].sort()).toEqual(["overlay", "virtio_ring"]);
  });

  it("are read whether they are compressed or not", async () => {
    const module = fakeModule("m", ["a-b", "c"]);
    write(join(folder, "m.ko"), module);
    write(join(folder, "m.ko.gz"), gzipSync(module));
    write(join(folder, "m.ko.zst"), zstdCompressSync(module));
    for (const file of ["m.ko", "m.ko.gz", "m.ko.zst"]) expect((await readModule(join(folder, file))).equals(module)).toBe(true);
    expect(moduleDependencies(module)).toEqual(["a_b", "c"]);
  });

  it("have one name in whatever form the file is", () => {
    expect(["virtio-rng.ko", "virtio_rng.ko.xz", "virtio-rng.ko.zst"].map(moduleName)).toEqual(["virtio_rng", "virtio_rng", "virtio_rng"]);
    expect(moduleName("modules.dep")).toBeUndefined();
  });
});
