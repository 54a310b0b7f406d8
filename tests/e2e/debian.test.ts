import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

const run = promisify(execFile);

let folder: string;
let userland: string;
let world: World;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-debian-"));
  userland = join(folder, "root");
  await run("debootstrap", ["--variant=minbase", "--include=python3", "bookworm", userland], { maxBuffer: 64 * 1024 * 1024 });
  world = await World.start();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world[Symbol.asyncDispose]();
});

describe("a Debian userland made from Debian packages", () => {
  it("is imported, runs, and serves a page on its published port", async () => {
    const { stdout } = await run("du", ["-sb", userland]);
    expect(Number.parseInt(stdout, 10)).toBeGreaterThan(100_000_000);
    await world.ok(["image", "import", userland, "debian"]);
    expect(await world.ok(["run", "--rm", "debian", "cat", "/etc/debian_version"])).toMatch(/^12\./);

    const serve = ["run", "-d", "--memory", "256m", "-p", "127.0.0.1:0:8000", "-w", "/usr/share/common-licenses", "debian"];
    const id = await world.ok([...serve, "python3", "-m", "http.server", "8000"]);
    const port = (await world.isthmus.machines.get(id)).ports[0]?.host ?? 0;
    const page = await eventually(
      "the page",
      () =>
        fetch(`http://127.0.0.1:${port}/GPL-3`)
          .then((answer) => answer.text())
          .catch(() => undefined),
      60_000,
    );
    expect(page).toContain("GNU GENERAL PUBLIC LICENSE");
    const who = await world.isthmus.machines.handle(id).execText(["sh", "-c", "id -un nobody; dpkg-query -f . -W | wc -c"]);
    expect(who.stdout).toMatch(/^nobody\n\d{2,3}\n$/);
  });
});
