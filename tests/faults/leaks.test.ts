import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Template } from "@isthmus/sdk";
import { describe, expect, it } from "vitest";
import { filesIn, held } from "../leaks/held.ts";
import { mayMount, mountTmpfs, unmount } from "../leaks/tmpfs.ts";
import { World } from "../world.ts";

/** The event log and the daemon's own log tell of every machine there was: they grow, within limits of their own. */
const GROWING = /isthmus\.db|daemon\.log|lock\.db/;

describe("the leak check", () => {
  it.runIf(mayMount())("sees what a test could leave behind: a process, a mount, a loop device, a socket, an open file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "leak-"));
    const before = held(folder);
    const child = spawn("sleep", ["1000"], { env: { PATH: process.env.PATH, WHERE: folder } });
    await once(child, "spawn");
    const disk = join(folder, "disk");
    const mounted = join(folder, "mounted");
    mkdirSync(mounted);
    writeFileSync(disk, Buffer.alloc(1024 * 1024));
    mountTmpfs(mounted, 1);
    const loop = execFileSync("losetup", ["--find", "--show", disk], { encoding: "utf8" }).trim();
    const file = openSync(disk, "r");
    const server = createServer().listen(join(folder, "socket"));
    await once(server, "listening");
    const found = held(folder);
    expect([found.processes, found.mounts, found.loops, found.sockets, found.descriptors].map((list) => list.length)).toEqual([
      1, 1, 1, 1, 1,
    ]);
    expect(found.files).toEqual(expect.arrayContaining([`${disk} 1048576`]));
    child.kill("SIGKILL");
    await once(child, "exit");
    unmount(mounted);
    execFileSync("losetup", ["--detach", loop]);
    closeSync(file);
    server.close();
    await once(server, "close");
    rmSync(folder, { recursive: true });
    expect(held(folder)).toEqual(before);
  });
});

describe("a machine that was removed", () => {
  it("leaves no byte under the data folder", async () => {
    await using world = await World.start();
    // The template of their shape stays, and its zygote.
    await world.ok(["run", "--rm", "-p", "127.0.0.1:0:80", "busybox", "true"]);
    const templates = async (): Promise<readonly Template[]> => JSON.parse(await world.ok(["template", "ls", "--json"]));
    await expect.poll(async () => (await templates()).some(({ zygote }) => zygote)).toBe(true);
    const kept = () => filesIn(world.home).filter((line) => !GROWING.test(line));
    const before = kept();
    const script = "dd if=/dev/urandom of=/big bs=1M count=4 2>/dev/null; yes | head -c 3000000; sleep 1000";
    for (const name of ["one", "two"]) await world.ok(["run", "-d", "--name", name, "-p", "127.0.0.1:0:80", "busybox", "sh", "-c", script]);
    const source = join(world.home, "run", "source");
    writeFileSync(source, "cargo");
    await world.ok(["cp", source, "one:/tmp/target"]);
    rmSync(source);
    await world.ok(["exec", "two", "true"]);
    await world.ok(["stop", "-t", "0", "two"]);
    await world.ok(["rm", "two"]);
    await world.ok(["rm", "-f", "one"]);
    expect(kept()).toEqual(before);
  });
});
