import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MIB } from "@isthmus/contract";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { leftovers, listTree, streamOf, type TestStore, testStore, unsquashNames } from "./fixtures.ts";
import { hostileArchives } from "./hostile-archives.ts";
import { hostileLayers } from "./hostile-layers.ts";
import { createImageStore, type LocalImageStore } from "./image-store.ts";

/** Small, so that bombs are small too. */
const limits = { archiveBytes: 16 * MIB, contentBytes: 8 * MIB, entries: 2000, ratioFreeBytes: MIB, archiveEntries: 100 };

let test: TestStore;
/** one that packs what it receives from the first byte on */
let eager: LocalImageStore;
let eagerFolder: string;
let outside: string;
let untouched: readonly string[];

beforeAll(async () => {
  test = await testStore({ limits });
  eagerFolder = join(dirname(test.folder), "images-eager");
  eager = await createImageStore({ folder: eagerFolder, limits: { ...limits, earlyBytes: 1 } });
  outside = join(dirname(test.folder), "outside");
  await mkdir(outside);
  await writeFile(join(outside, "victim"), "unharmed");
  await mkdir(join(dirname(test.folder), "etc"));
  untouched = await listTree(dirname(test.folder)).then((lines) => lines.filter((line) => !line.startsWith("images")));
});

afterAll(async () => {
  await test[Symbol.asyncDispose]();
});

afterEach(async () => {
  for (const { digest } of await test.store.list()) await test.store.remove(digest, { inUse: () => undefined });
});

async function expectHostUntouched(): Promise<void> {
  const now = await listTree(dirname(test.folder));
  expect(now.filter((line) => !line.startsWith("images"))).toEqual(untouched);
}

describe("hostile layers", () => {
  it("are at least 60 cases together with the archives", () => {
    expect(hostileLayers.length + hostileArchives.length).toBeGreaterThanOrEqual(60);
  });

  const cases = hostileLayers.flatMap((layer) => [
    { ...layer, early: false },
    { ...layer, name: `${layer.name}, packed as it comes`, early: true },
  ]);
  it.each(cases)("$name", async ({ bytes, code, names, early }) => {
    const [store, path] = early ? [eager, eagerFolder] : [test.store, test.folder];
    const result = store.importTar(streamOf(bytes(), 10_000), { ref: "hostile" });
    if (code !== undefined) await expect(result).rejects.toMatchObject({ code });
    else {
      await result;
      const { rootfsPath } = await store.resolve("hostile");
      expect((await unsquashNames(rootfsPath)).join("|")).toBe([...(names ?? [])].sort().join("|"));
      await store.remove("hostile", { inUse: () => undefined });
    }
    expect(await leftovers(path)).toEqual([]);
    await expectHostUntouched();
  });
});

describe("hostile archives", () => {
  it.each(hostileArchives)("$name", async ({ bytes, code, tags }) => {
    const result = test.store.loadArchive(streamOf(bytes(), 10_000), {});
    if (code !== undefined) await expect(result).rejects.toMatchObject({ code });
    else {
      const images = await result;
      expect(images.flatMap((image) => image.tags)).toEqual(tags);
      for (const { digest } of images) await test.store.remove(digest, { inUse: () => undefined });
    }
    expect(await leftovers(test.folder)).toEqual([]);
    await expectHostUntouched();
  });
});
