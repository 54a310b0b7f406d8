import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Machine, Template } from "@isthmus/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { size } from "../seeded.ts";
import { eventually, World } from "../world.ts";

/** clones of one template at once */
const CLONES = size(8, 200);
const CLOCK_ERROR_SECONDS = 2;

async function templatesOf(world: World): Promise<readonly Template[]> {
  return JSON.parse(await world.ok(["template", "ls", "--json"]));
}

async function inspect(world: World, ref: string): Promise<Machine> {
  const [machine] = JSON.parse(await world.ok(["inspect", ref]));
  return machine;
}

describe("templates", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  it("are made ahead by image warm, once", async () => {
    const key = await world.ok(["image", "warm", "busybox"]);
    expect(await world.ok(["image", "warm", "busybox"])).toBe(key);
    expect(await templatesOf(world)).toMatchObject([{ key, state: "ready", cpus: 1, network: "none" }]);
    expect((await world.cli(["image", "warm", "no-such-image"])).stderr).toContain("no image no-such-image");
  });

  it("are what machines of their shape are cloned from, and no others", async () => {
    await world.ok(["run", "-d", "--name", "cloned", "busybox", "sleep", "1000"]);
    expect(await inspect(world, "cloned")).toMatchObject({ startedFrom: expect.stringMatching(/^(template|zygote)$/), notes: [] });
    await world.ok(["run", "-d", "--name", "other", "-m", "160m", "busybox", "sleep", "1000"]);
    expect((await inspect(world, "other")).startedFrom).toBe("template");
    expect(await templatesOf(world)).toHaveLength(2);
  });

  it("can be removed under machines that were cloned from them", async () => {
    const [template] = await templatesOf(world);
    expect((await world.cli(["template", "rm", "abcdef"])).stderr).toContain("no template abcdef");
    expect(await world.ok(["template", "rm", template?.key.slice(0, 12) ?? ""])).toBe(template?.key.slice(0, 12));
    await world.ok(["template", "prune"]);
    expect(await templatesOf(world)).toEqual([]);
    expect(readdirSync(join(world.home, "templates"))).toEqual([]);
    for (const name of ["cloned", "other"]) expect(await world.ok(["exec", name, "sh", "-c", "ls / > /dev/null; echo here"])).toBe("here");
    await world.removeAll();
  });

  it("that are damaged are set aside: the machine boots and says why", async () => {
    const key = await world.ok(["image", "warm", "busybox"]);
    const state = join(world.home, "templates", key, "state");
    truncateSync(state, Math.floor(statSync(state).size / 2));
    expect(await world.ok(["run", "--name", "booted", "busybox", "echo", "hi"])).toBe("hi");
    const machine = await inspect(world, "booted");
    expect(machine.startedFrom).toBe("boot");
    expect(machine.notes.join()).toContain("booted, not cloned");
    expect(await templatesOf(world)).toMatchObject([{ key, state: "quarantined", reason: expect.stringContaining("not usable") }]);
    expect(await world.ok(["template", "ls"])).toContain("quarantined");
    await world.ok(["template", "prune"]);
    expect(await world.ok(["run", "--rm", "busybox", "echo", "again"])).toBe("again");
    expect(await templatesOf(world)).toMatchObject([{ key, state: "ready" }]);
    await world.removeAll();
  });

  it("that a daemon died over are made anew", async () => {
    await world.ok(["template", "prune"]);
    const warming = world.cli(["image", "warm", "busybox"]);
    await eventually("a template is being made", async () => readdirSync(join(world.home, "templates"))[0]);
    await world.killDaemon();
    await warming;
    expect(await world.ok(["run", "--rm", "busybox", "echo", "hi"])).toBe("hi");
    const templates = await templatesOf(world);
    expect(templates).toMatchObject([{ state: "ready" }]);
    expect(readdirSync(join(world.home, "templates"))).toEqual([templates[0]?.key]);
    await eventually("the guest of the dead daemon is gone", async () =>
      world.processes().every(({ command }) => !command.includes("guest=template")) ? true : undefined,
    );
  });

  it("that a daemon stops over are made by the next one, and the start goes on", async () => {
    await world.ok(["template", "prune"]);
    await world.isthmus.machines.create({ image: "busybox", name: "patient", command: ["sleep", "1000"] }, { start: false });
    const starting = world.cli(["start", "patient"]);
    await eventually("a template is being made", async () => readdirSync(join(world.home, "templates"))[0]);
    await world.ok(["daemon", "stop"]);
    await starting;
    await world.ok(["daemon", "start"]);
    await eventually("it runs", async () => ((await inspect(world, "patient")).state === "running" ? true : undefined));
    expect(await world.ok(["exec", "patient", "echo", "hi"])).toBe("hi");
    await world.removeAll();
  });

  it(`makes ${CLONES} machines that share nothing that must be their own`, async () => {
    const script =
      "cat /etc/machine-id /proc/sys/kernel/random/boot_id /sys/class/net/eth0/address; for from in urandom hwrng; do head -c 32 /dev/$from | sha256sum; done; hostname; date +%s";
    const before = Date.now() / 1000;
    const ids = await Promise.all(
      Array.from({ length: CLONES }, () => world.ok(["run", "-d", "--network", "user", "busybox", "sh", "-c", script])),
    );
    const outputs = await Promise.all(
      ids.map(async (id) => {
        expect((await world.cli(["wait", id])).text).toBe("0");
        return (await world.ok(["logs", id])).split("\n");
      }),
    );
    const after = Date.now() / 1000;
    for (let line = 0; line < 6; line += 1) expect(new Set(outputs.map((output) => output[line])).size).toBe(CLONES);
    for (const output of outputs) {
      expect(Number(output[6])).toBeGreaterThan(before - CLOCK_ERROR_SECONDS);
      expect(Number(output[6])).toBeLessThan(after + CLOCK_ERROR_SECONDS);
    }
    await world.removeAll();
  });
});

describe("a zygote", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
    await world.ok(["image", "warm", "busybox"]);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const zygotes = () => world.processes().filter(({ command }) => command.includes("guest=zygote"));
  /** Starts machines until one is a fork. */
  const forked = (name: string) =>
    eventually("a machine is forked", async () => {
      await world.cli(["rm", "-f", name]);
      await world.ok(["run", "-d", "--name", name, "busybox", "sh", "-c", "hostname > /mine; exec sleep 1000"]);
      return (await inspect(world, name)).startedFrom === "zygote" ? true : undefined;
    });

  it("is what machines are forked from, with disks of their own; it is told of in metrics and by why", async () => {
    await forked("one");
    expect(await templatesOf(world)).toMatchObject([{ prepared: 0, zygote: true }]);
    await world.ok(["run", "-d", "--name", "two", "busybox", "sleep", "1000"]);
    expect((await inspect(world, "two")).startedFrom).toBe("zygote");
    await eventually("its file is there", async () => (await world.cli(["exec", "one", "cat", "/mine"])).text || undefined);
    expect((await world.cli(["exec", "two", "cat", "/mine"])).code).toBe(1);
    expect(await world.ok(["why", "two"])).toContain("from zygote");
  });

  it("is not what a machine with a disk is forked from: it keeps what it wrote", async () => {
    await world.ok(["exec", "one", "sh", "-c", "hostname > /written; sync"]);
    await world.ok(["stop", "-t", "0", "one"]);
    await world.ok(["start", "one"]);
    expect((await inspect(world, "one")).startedFrom).toBe("template");
    expect(await world.ok(["exec", "one", "cat", "/written"])).toBe((await inspect(world, "one")).id.slice(0, 12));
  });

  it("ends with a daemon that is killed; its forks go on, and the next daemon makes another", async () => {
    const before = (await inspect(world, "two")).pid;
    await world.killDaemon();
    await eventually("the zygote has ended", async () => (zygotes().length === 0 ? true : undefined));
    await world.ok(["daemon", "start"]);
    expect([(await inspect(world, "two")).pid, await world.ok(["exec", "two", "echo", "here"])]).toEqual([before, "here"]);
    await forked("three");
    await eventually("nothing of the first is left", async () => (readdirSync(join(world.home, "pool")).length === 1 ? true : undefined));
  });

  it("that is killed is no fault of any machine's", async () => {
    const [zygote] = zygotes();
    process.kill(zygote?.pid ?? 0, "SIGKILL");
    await world.ok(["run", "--name", "four", "busybox", "echo", "hi"]);
    expect((await inspect(world, "four")).notes).toEqual([]);
    expect(await world.ok(["exec", "three", "echo", "here"])).toBe("here");
  });

  it("goes with its template", async () => {
    await world.ok(["template", "prune"]);
    await eventually("it has ended", async () =>
      zygotes().length === 0 && readdirSync(join(world.home, "pool")).length === 0 ? true : undefined,
    );
    expect(await world.ok(["exec", "three", "cat", "/mine"])).toBe((await inspect(world, "three")).id.slice(0, 12));
    await world.removeAll();
  });
});

describe("a pool", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ ISTHMUS_POOL_MAX: "4" });
    await world.ok(["run", "--rm", "busybox", "true"]);
  });
  // What waits in the pool holds sockets of the daemon: it goes first.
  afterAll(async () => {
    await world.ok(["template", "prune"]);
    await world[Symbol.asyncDispose]();
  });

  const waiting = () => readdirSync(join(world.home, "pool"));
  const filled = () =>
    eventually("a clone waits", async () => ((await templatesOf(world)).some(({ prepared }) => (prepared ?? 0) > 0) ? true : undefined));

  it("gives machines what it prepared, disk and all", async () => {
    await filled();
    await world.ok([
      "run",
      "-d",
      "--name",
      "pooled",
      "--hostname",
      "mine",
      "busybox",
      "sh",
      "-c",
      "hostname > /file; cat /file; sleep 1000",
    ]);
    expect(await inspect(world, "pooled")).toMatchObject({ startedFrom: "pool", notes: [] });
    await eventually("it writes", async () => ((await world.ok(["logs", "pooled"])) === "mine" ? true : undefined));
    await world.ok(["exec", "pooled", "sh", "-c", "hostname > /written; sync"]);
    await world.ok(["stop", "-t", "0", "pooled"]);
    await world.ok(["start", "pooled"]);
    expect((await inspect(world, "pooled")).startedFrom).toBe("template");
    expect(await world.ok(["exec", "pooled", "cat", "/written"])).toBe("mine");
    await world.removeAll();
  });

  it("ends with its daemon, also a killed one, and no machine does", async () => {
    await filled();
    const id = await world.ok(["run", "-d", "busybox", "sleep", "1000"]);
    expect((await inspect(world, id)).startedFrom).toBe("pool");
    const before = await inspect(world, id);
    await filled();
    const prepared = waiting();
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    expect(await inspect(world, id)).toMatchObject({ state: "running", pid: before.pid });
    expect(await world.ok(["exec", id, "echo", "hi"])).toBe("hi");
    await eventually("what waited is gone", async () => (waiting().every((name) => !prepared.includes(name)) ? true : undefined));
    expect(world.engines()).toEqual([before.pid]);
    await world.removeAll();
  });

  it("loses a clone that dies, and nobody notices", async () => {
    await world.ok(["run", "--rm", "busybox", "true"]);
    await filled();
    for (const { pid, command } of world.processes()) if (command.includes("guest=prepared")) process.kill(pid, "SIGKILL");
    expect(await world.ok(["run", "--rm", "busybox", "echo", "hi"])).toBe("hi");
  });
});
