import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine, Volume } from "@isthmus/sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { World } from "../world.ts";

let world: World;
let work: string;
beforeAll(async () => {
  world = await World.start();
  work = mkdtempSync(join(tmpdir(), "isthmus-volumes-"));
  await loadImage();
});
afterEach(async () => {
  await world.removeAll();
  await world.ok(["volume", "prune", "--all"]);
});
afterAll(async () => {
  rmSync(work, { recursive: true, force: true });
  await world[Symbol.asyncDispose]();
});

/** An image that keeps its data in a volume, as those of databases do: with a folder of its own owner that is not empty. */
async function loadImage(): Promise<void> {
  const root = join(work, "root");
  for (const folder of ["bin", "dev", "proc", "sys", "etc", "srv/data"]) mkdirSync(join(root, folder), { recursive: true });
  execFileSync("cp", ["/usr/bin/busybox", join(root, "bin")]);
  for (const name of ["sh", "ls", "cat", "stat", "touch"]) execFileSync("ln", ["-s", "busybox", join(root, "bin", name)]);
  writeFileSync(join(root, "srv/data/seed"), "seed\n");
  execFileSync("chmod", ["700", join(root, "srv/data")]);
  const layout = ["--image", `${join(work, "layout")}:keeper`];
  execFileSync("umoci", ["init", "--layout", join(work, "layout")]);
  execFileSync("umoci", ["new", ...layout]);
  execFileSync("umoci", ["insert", ...layout, root, "/"]);
  execFileSync("umoci", ["config", ...layout, "--config.volume", "/srv/data", "--config.cmd", "/bin/sh"]);
  await world.ok(["image", "load", join(work, "layout")]);
}

const sh = (script: string, ...flags: string[]) => world.ok(["run", "--rm", ...flags, "busybox", "sh", "-c", script]);
const inspect = async (ref: string): Promise<Machine> => JSON.parse(await world.ok(["inspect", ref]))[0];
const volume = async (name: string): Promise<Volume> => JSON.parse(await world.ok(["volume", "inspect", name]))[0];

describe("a named volume", () => {
  it("outlives machines, and is read by several at once", async () => {
    await sh("echo one > /data/file", "-v", "data:/data");
    await sh("cat /data/file && echo two >> /data/file", "--mount", "type=volume,source=data,target=/data");
    const readers = await Promise.all([
      sh("cat /v/file", "-v", "data:/v:ro"),
      sh("cat /v/file; touch /v/x || echo refused", "-v", "data:/v:ro"),
    ]);
    expect(readers).toEqual(["one\ntwo", "one\ntwo\nrefused"]);
  });

  it("is mounted in clones of templates and in machines without a disk of their own", async () => {
    await world.ok(["run", "-d", "--name", "first", "-v", "data:/mnt", "busybox", "sleep", "1000"]);
    expect((await inspect("first")).startedFrom).toBe("template");
    await world.ok(["exec", "first", "sh", "-c", "echo kept > /mnt/file"]);
    await world.ok(["rm", "-f", "first"]);
    expect(await sh("cat /mnt/file; touch /x || echo read-only", "--read-only", "-v", "data:/mnt")).toBe("kept\nread-only");
  });

  it("holds what was written to it when its machine is killed, without a word to the guest", async () => {
    await world.ok(["run", "-d", "--name", "victim", "-v", "data:/data", "busybox", "sleep", "1000"]);
    await world.ok(["exec", "victim", "sh", "-c", "echo written > /data/file"]);
    await world.ok(["kill", "victim"]);
    expect(await sh("cat /data/file", "-v", "data:/data")).toBe("written");
  });

  it("is as large as was said, and takes no more of the host than what is in it", async () => {
    await world.ok(["volume", "create", "small", "--size", "64m", "-l", "asked=yes"]);
    const before = (await volume("small")).usedBytes;
    expect(await sh("head -c 100000000 /dev/zero > /v/big; ls -l /v/big | wc -l", "-v", "small:/v")).toBe("1");
    const full = (await volume("small")).usedBytes;
    expect([full > 40_000_000, full < 70_000_000]).toEqual([true, true]);
    await sh("rm /v/big; sync", "-v", "small:/v");
    expect((await volume("small")).usedBytes - before).toBeLessThan(20_000_000);
    expect((await volume("small")).labels).toEqual({ asked: "yes" });
  });

  it("stays with a machine that is suspended, and goes on with it", async () => {
    await world.ok(["run", "-d", "--name", "keeper", "-v", "data:/data", "busybox", "sleep", "1000"]);
    await world.ok(["exec", "keeper", "sh", "-c", "echo one > /data/file"]);
    await world.ok(["suspend", "keeper"]);
    const refused = await world.cli(["run", "--rm", "-v", "data:/data", "busybox", "true"]);
    expect([refused.code, refused.stderr]).toEqual([125, expect.stringContaining("machine keeper (suspended) writes to it")]);
    await world.ok(["resume", "keeper"]);
    expect(await world.ok(["exec", "keeper", "sh", "-c", "echo two >> /data/file; cat /data/file"])).toBe("one\ntwo");
    const saved = await world.cli(["snapshot", "create", "keeper"]);
    expect([saved.code, saved.stderr]).toEqual([1, expect.stringContaining("no snapshot holds what is in volume data")]);
  });

  it("goes out and in as a tar archive, owners, links and all", async () => {
    await sh("echo x > /v/f; chown 12:34 /v/f; ln -s f /v/l; ln /v/f /v/h; mkdir -m 700 /v/d; chmod 1777 /v", "-v", "data:/v");
    const archive = (await world.cli(["volume", "export", "data"])).stdout;
    await world.ok(["volume", "import", "copy", "-", "--size", "64m"], { input: archive });
    const seen = "cd /v; stat -c '%n %u:%g %a %h %F' . f l h d | sort; cat l";
    expect(await sh(seen, "-v", "copy:/v:ro")).toBe(await sh(seen, "-v", "data:/v:ro"));
    const broken = await world.cli(["volume", "import", "broken", "-"], { input: "no archive at all".repeat(100) });
    expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining("archive")]);
    expect(await world.ok(["volume", "ls", "-q"])).toBe("copy\ndata");
  });

  it("is not removed while it is in use", async () => {
    await world.ok(["run", "-d", "--name", "user", "-v", "data:/data", "busybox", "sleep", "1000"]);
    for (const args of [
      ["volume", "rm", "data"],
      ["volume", "export", "data"],
    ]) {
      const { code, stderr } = await world.cli(args);
      expect([code, stderr]).toEqual([1, expect.stringContaining("volume data is in use: machine user")]);
    }
  });
});

describe("a volume that an image asks for", () => {
  it("begins with what the image has there, is kept with its machine and goes with rm -v", async () => {
    expect(await world.ok(["run", "--name", "one", "keeper", "/bin/sh", "-c", "cat /srv/data/seed"])).toBe("seed");
    const [mount] = (await inspect("one")).spec.mounts ?? [];
    expect(mount).toMatchObject({ type: "volume", path: "/srv/data" });
    expect((await volume(mount?.source ?? "")).anonymous).toBe(true);
    await world.ok(["rm", "-v", "one"]);
    expect(await world.ok(["volume", "ls", "-q"])).toBe("");
  });

  it("goes with --rm, and a named one in its place begins in the same way but once", async () => {
    const list = ["/bin/sh", "-c", "stat -c %a /srv/data; ls /srv/data; touch /srv/data/mine"];
    expect(await world.ok(["run", "--rm", "keeper", ...list])).toBe("700\nseed");
    expect(await world.ok(["volume", "ls", "-q"])).toBe("");
    expect(await world.ok(["run", "--rm", "-v", "named:/srv/data", "keeper", ...list])).toBe("700\nseed");
    await world.ok(["run", "--rm", "-v", "named:/srv/data", "keeper", "/bin/sh", "-c", "> /srv/data/seed"]);
    expect(await world.ok(["run", "--rm", "-v", "named:/srv/data", "keeper", "/bin/sh", "-c", "cat /srv/data/seed; ls /srv/data"])).toBe(
      "mine\nseed",
    );
  });
});

describe("a tenant's volume", () => {
  it("is its machines' to write to, and nobody else's, after a restart of the daemon too", async () => {
    const token = async (tenant: string) => ({
      ISTHMUS_TOKEN: await world.ok(["token", "create", tenant, "--role", "operator", "--tenant", tenant]),
    });
    const [red, blue] = [await token("red"), await token("blue")];
    const as = async (env: Record<string, string>, ...args: string[]) => {
      const { code, text, stderr } = await world.cli(args, { env });
      return code === 0 ? text : `${code}: ${stderr}`;
    };
    const machine = (env: Record<string, string>, name: string, script: string) =>
      as(env, "run", "--rm", "-v", `${name}:/data`, "busybox", "sh", "-c", script);
    expect(await machine(red, "data", "echo red > /data/file")).toBe("");
    await world.ok(["volume", "create", "hosts"]);
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    for (const name of ["data", "hosts"]) {
      expect(await machine(blue, name, "cat /data/file")).toMatch(`the name ${name} belongs to a volume that is not of tenant blue`);
      expect(await as(blue, "volume", "rm", name)).toMatch(`no volume ${name}`);
    }
    expect(await as(blue, "volume", "prune", "--all")).toBe("Freed: 0 B");
    expect(await world.ok(["volume", "ls"])).toMatch(/data +red .*\nhosts +- /);
    expect(await machine(red, "data", "cat /data/file")).toBe("red");
  });
});
