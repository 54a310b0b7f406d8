import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFileShare } from "./file-share.ts";
import { createHostPaths } from "./host-paths.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "isthmus-paths-"));
  for (const folder of ["home", "given", "given-not", "other"]) await mkdir(join(root, folder));
  await symlink(join(root, "other"), join(root, "given", "out"));
  await writeFile(join(root, "given", "file"), "content");
});
afterEach(() => rm(root, { recursive: true, force: true }));

const at = (path: string) => join(root, path);
const refused = (reason: RegExp) => ({ code: "HOST_PATH_REFUSED", message: expect.stringMatching(reason) });

describe("paths of the host", () => {
  it("are the owner's to give, whatever they are but the daemon's own, and without links", async () => {
    const paths = createHostPaths("owner", [at("home")]);
    expect(await paths.resolve(at("given"), false)).toBe(at("given"));
    expect(await paths.resolve(at("given/out"), false)).toBe(at("other"));
    await expect(paths.resolve(at("given"), true)).rejects.toMatchObject(refused(/only the owner/));
    for (const own of ["home", "."]) await expect(paths.resolve(at(own), false)).rejects.toMatchObject(refused(/daemon's own/));
    await expect(paths.resolve(at("nothing"), false)).rejects.toMatchObject(refused(/no such/));
    await expect(paths.resolve("/dev/null", false)).rejects.toMatchObject(refused(/neither/));
  });

  it("lie in a permitted folder, where one is named, also at the end of a link", async () => {
    const paths = createHostPaths([at("given")], [at("home")]);
    expect(await paths.resolve(at("given/file"), true)).toBe(at("given/file"));
    for (const path of ["given-not", "given/out", "given/../other"])
      await expect(paths.resolve(at(path), false)).rejects.toMatchObject(refused(/lies in none/));
    await expect(createHostPaths("off", []).resolve(at("given"), false)).rejects.toMatchObject(refused(/is off/));
  });

  it("are told apart", () => {
    const paths = createHostPaths("owner", []);
    expect(["given/file", "given", "nothing"].map((path) => paths.isFile(at(path)))).toEqual([true, false, false]);
  });
});

it("a file that is given is the file itself, alone in its folder", async () => {
  await writeFile(at("given/secret"), "secret");
  for (let times = 0; times < 2; times += 1) await createFileShare(at("share"), at("given/file"), false);
  expect(await readdir(at("share"))).toEqual(["file"]);
  expect((await stat(at("share/file"))).ino).toBe((await stat(at("given/file"))).ino);
  await writeFile(at("share/file"), "changed");
  expect(await readFile(at("given/file"), "utf8")).toBe("changed");
  await expect(createFileShare(at("share"), at("nothing"), false)).rejects.toMatchObject({ code: "HOST_PATH_REFUSED" });
});
