import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Template } from "@isthmus/contract";
import { TemplateSchema } from "@isthmus/contract/schemas";
import type { TemplateFolders } from "@isthmus/core";
import { Value } from "typebox/value";
import { copyDisk, emptyDisk } from "./disks.ts";
import { DISK_FILE, shortFolder } from "./folders.ts";
import { guarded } from "./guarded.ts";

const MAKING = "making-";
const keyPattern = /^[0-9a-f]{64}$/;
const ABOUT = "template.json";

/** Templates under `root`, each in a folder named by its key, described by `template.json`, which is the last thing to be written; `disks` holds empty disks. */
export function createTemplateFolders(root: string, disks: string, runFolder: string): TemplateFolders {
  const sockets = shortFolder(runFolder, "t");
  const folder = (key: string) => join(root, key);
  const describe = async (path: string, template: Template) => {
    await writeFile(join(path, `${ABOUT}.new`), JSON.stringify(template), { mode: 0o600, flush: true });
    await rename(join(path, `${ABOUT}.new`), join(path, ABOUT));
  };
  return {
    root,
    folder,
    diskPath: (key) => join(folder(key), DISK_FILE),
    async load() {
      await rm(sockets, { recursive: true, force: true });
      const names = await readdir(root).catch(() => []);
      const found = await Promise.all(names.map((name) => loadOne(root, name)));
      return found.flat();
    },
    async begin(diskBytes) {
      return await guarded("a template", async () => {
        await mkdir(root, { recursive: true, mode: 0o700 });
        const made = await mkdtemp(join(root, MAKING));
        const socketFolder = join(sockets, basename(made));
        await mkdir(socketFolder, { recursive: true, mode: 0o700 });
        const making = { folder: made, socketFolder };
        if (diskBytes === undefined) return making;
        const diskPath = join(made, DISK_FILE);
        await copyDisk(await emptyDisk(disks, diskBytes), diskPath);
        return { ...making, diskPath };
      });
    },
    async commit(making, template) {
      await guarded("a template", async () => {
        await describe(making.folder, template);
        await rm(folder(template.key), { recursive: true, force: true });
        await rename(making.folder, folder(template.key));
        await rm(making.socketFolder, { recursive: true, force: true });
      });
    },
    async discard(making) {
      await rm(making.socketFolder, { recursive: true, force: true });
      await rm(making.folder, { recursive: true, force: true });
    },
    update: (template) => guarded("a template", () => describe(folder(template.key), template)),
    remove: (key) => rm(folder(key), { recursive: true, force: true }),
  };
}

async function loadOne(root: string, name: string): Promise<readonly Template[]> {
  try {
    const value: unknown = JSON.parse(await readFile(join(root, name, ABOUT), "utf8"));
    if (keyPattern.test(name) && Value.Check(TemplateSchema, value) && value.key === name) return [{ ...value, clones: 0 }];
  } catch {
    // Half-made, or damaged: it can be made again.
  }
  await rm(join(root, name), { recursive: true, force: true });
  return [];
}
