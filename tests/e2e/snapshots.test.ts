import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Machine } from "@isthmus/sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { size } from "../seeded.ts";
import { eventually, World } from "../world.ts";

/** clones of one snapshot */
const CLONES = size(4, 200);
/** at once: more only makes each slower */
const TOGETHER = 50;
const COUNTING = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done";
/** Who it is when it begins to draw a random number, and the number. */
const DRAWING = "while :; do id=$(cat /etc/machine-id); echo $id $(head -c 16 /dev/urandom | od -An -tx8); sleep 0.3; done";
const DRAW = ["od", "-An", "-N16", "-tx8", "/dev/urandom"];
/**
 * A kernel renews the seed of its random numbers when one is drawn and the seed is as old as half the time that it is up (`crng_has_old_seed`, drivers/char/random.c). A guest that
 * drew none for so long renews it then, and not again for as long: the first numbers of its clones are the same ones if nobody tells them to renew it.
 */
const UNSEEDED_MS = 12_000;
const WHO =
  "cat /etc/machine-id /proc/sys/kernel/random/boot_id /sys/class/net/eth0/address; hostname; head -c 16 /dev/urandom | od -An -tx8; date +%s";
/** the host sets it when a clone is made, and the guest's seconds are whole */
const CLOCK_ERROR_SECONDS = 3;
const SERVING = "mkdir -p /w; hostname > /w/name; httpd -f -h /w -p 80";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterEach(() => world.removeAll());
afterAll(() => world[Symbol.asyncDispose]());

async function inspect(ref: string): Promise<Machine> {
  const [machine] = JSON.parse(await world.ok(["inspect", ref]));
  return machine;
}

async function lastOf(ref: string): Promise<number> {
  return Number(await world.ok(["logs", "--tail", "1", ref]));
}

const run = (name: string, script: string, ...flags: string[]) =>
  world.ok(["run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", script]);

/** The first numbers that a clone which runs `DRAWING` drew as itself: one that the original had drawn and not yet said stands in the snapshot, and every clone says it. */
async function drawnAs(self: string, clone: string): Promise<string[]> {
  return await eventually("it drew twice as itself", async () => {
    const lines = (await world.ok(["logs", clone])).split("\n").filter((line) => line.startsWith(self));
    return lines.length > 1 ? lines.slice(0, 20) : undefined;
  });
}

async function page(ref: string, path: string): Promise<string> {
  const [port] = (await inspect(ref)).ports;
  return await (await fetch(`http://127.0.0.1:${port?.host}${path}`)).text();
}

async function contact(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

describe("a suspended machine", () => {
  it("costs no process and goes on, also with another daemon", async () => {
    await run("sleeper", COUNTING);
    await eventually("it counts", async () => ((await lastOf("sleeper")) > 2 ? true : undefined));
    expect(await world.ok(["suspend", "sleeper"])).toBe("sleeper");
    expect(world.engines()).toEqual([]);
    const suspended = await inspect("sleeper");
    expect(suspended).toMatchObject({ state: "suspended", suspendedAt: expect.any(String) });
    expect(suspended.pid).toBeUndefined();
    expect(await world.ok(["ps"])).toContain("suspended");
    const at = await lastOf("sleeper");
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    expect((await inspect("sleeper")).state).toBe("suspended");
    expect(await world.ok(["resume", "sleeper"])).toBe("sleeper");
    await eventually("it counts on", async () => ((await lastOf("sleeper")) > at ? true : undefined));
    expect(await inspect("sleeper")).toMatchObject({ state: "running", startedFrom: "suspension", startedAt: suspended.startedAt });
    const numbers = (await world.ok(["logs", "sleeper"])).split("\n").map(Number);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    const saved = () => readdirSync(join(world.home, "machines", suspended.id)).filter((name) => name.startsWith("suspended"));
    await expect.poll(saved).toEqual([]);
  });

  it("has its ports again", async () => {
    await run("web", SERVING, "-p", "80");
    await eventually("it serves", () => page("web", "/name").catch(() => undefined));
    const before = (await inspect("web")).ports;
    await world.ok(["suspend", "web"]);
    await expect(page("web", "/name")).rejects.toThrow();
    await world.ok(["resume", "web"]);
    expect((await inspect("web")).ports).toEqual(before);
    expect((await page("web", "/name")).trim()).toBe((await inspect("web")).spec.hostname);
  });

  it("refuses what needs it to run, can be killed, and is forgotten with its machine", async () => {
    const id = await run("still", COUNTING);
    await world.ok(["suspend", "still"]);
    for (const command of [
      ["exec", "still", "true"],
      ["suspend", "still"],
      ["stop", "still"],
      ["pause", "still"],
      ["snapshot", "create", "still"],
    ]) {
      const { code, stderr } = await world.cli(command);
      expect(code, command.join(" ")).not.toBe(0);
      expect(stderr, command.join(" ")).toContain("it is suspended");
    }
    await world.ok(["kill", "still"]);
    expect(await inspect("still")).toMatchObject({ state: "exited", exit: { code: 137 } });
    expect((await world.cli(["resume", "still"])).stderr).toContain("it is exited");
    expect(readdirSync(join(world.home, "machines", id)).filter((name) => name.startsWith("suspended"))).toEqual([]);
    expect(await world.ok(["start", "still"])).toBe("still");
  });
});

describe("a machine that nobody uses", () => {
  it("is suspended by itself, and resumed by whoever contacts one of its ports", async () => {
    await run("lazy", SERVING, "-p", "80", "--idle-suspend", "2s", "--resume-on-contact");
    const asleep = () => eventually("it is suspended", async () => ((await inspect("lazy")).state === "suspended" ? true : undefined));
    const [port] = (await inspect("lazy")).ports;
    await asleep();
    // All of them come before it has its port again.
    const held = Array.from({ length: 4 }, async () => (await fetch(`http://127.0.0.1:${port?.host}/name`)).text());
    expect(new Set(await Promise.all(held))).toEqual(new Set([`${(await inspect("lazy")).spec.hostname}\n`]));
    expect(await inspect("lazy")).toMatchObject({ startedFrom: "suspension" });
    await asleep();
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    await eventually("the port listens again", () => page("lazy", "/name").catch(() => undefined));
    // In use, it is not idle: by a connection to its port, and then by an exec.
    const connection = await contact(port?.host ?? 0);
    const exec = () => world.isthmus.machines.handle("lazy").exec(["sh", "-c", "sleep 8; echo $((6*7))"]);
    const using = await eventually("it runs a program", () => exec().catch(() => undefined));
    connection.destroy();
    expect([await text(using.stdout), (await using.exit).code]).toEqual(["42\n", 0]);
    await asleep();
    await world.ok(["rm", "-f", "lazy"]);
  });

  it("that computes by itself is in use", async () => {
    await run("eager", "while :; do :; done", "--idle-suspend", "6s");
    await sleep(15_000);
    expect((await inspect("eager")).state).toBe("running");
  });
});

describe("clones of a running machine", () => {
  it("go on where it is, and so does it", async () => {
    await run("origin", `echo one > /file; sync; ${COUNTING}`);
    await eventually("it counts", async () => ((await lastOf("origin")) > 2 ? true : undefined));
    const at = await lastOf("origin");
    const ids = (await world.ok(["clone", "origin", "-n", "2", "--name", "copy"])).split("\n");
    expect(ids).toHaveLength(2);
    expect(await inspect("copy-1")).toMatchObject({ id: ids[0], startedFrom: "snapshot", clonedFrom: "origin" });
    await world.ok(["exec", "copy-1", "sh", "-c", "echo two > /file; echo kept > /own; sync"]);
    for (const [name, content] of [
      ["origin", "one"],
      ["copy-1", "two"],
      ["copy-2", "one"],
    ] as const) {
      expect(await world.ok(["exec", name, "cat", "/file"])).toBe(content);
      await eventually(`${name} counts on`, async () => ((await lastOf(name)) > at ? true : undefined));
    }
    // A clone that ends and is started again has its own disk still.
    await world.ok(["stop", "-t", "0", "copy-1"]);
    await world.ok(["start", "copy-1"]);
    expect(await world.ok(["exec", "copy-1", "cat", "/own"])).toBe("kept");
    expect(readdirSync(join(world.home, "snapshots"))).toEqual([]);
  });

  it("get ports of their own; of names and host ports one has each", async () => {
    await run("served", SERVING, "-p", "80");
    await eventually("it serves", () => page("served", "/name").catch(() => undefined));
    await world.ok(["clone", "served", "--name", "other"]);
    expect(await page("other", "/name")).toBe(await page("served", "/name"));
    const [port] = (await inspect("served")).ports;
    const taken = await world.cli(["clone", "served", "-p", `${port?.host}:80`]);
    expect(taken.stderr).toContain(`port ${port?.host} on 127.0.0.1 is taken`);
    expect((await world.cli(["clone", "served", "--name", "other"])).stderr).toContain("the name other belongs to machine");
    expect((await world.cli(["clone", "served", "-n", "2", "-p", "8099:80"])).stderr).toContain("ports[0].host is not valid");
    expect((await world.machines()).map(({ name }) => name).sort()).toEqual(["other", "served"]);
    expect(await page("served", "/name")).not.toBe("");
  });
});

describe("snapshots", () => {
  it("outlive their machine, and their clones outlive them", async () => {
    await run("subject", COUNTING);
    await eventually("it counts", async () => ((await lastOf("subject")) > 2 ? true : undefined));
    const id = await world.ok(["snapshot", "create", "subject", "--name", "kept"]);
    expect((await world.cli(["snapshot", "create", "subject", "--name", "kept"])).stderr).toContain(
      "the name kept belongs to another snapshot",
    );
    await world.ok(["rm", "-f", "subject"]);
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    expect(JSON.parse(await world.ok(["snapshot", "inspect", "kept"]))).toMatchObject([{ id, machineName: "subject" }]);
    expect((await world.cli(["image", "rm", "busybox"])).stderr).toContain("is used by");
    await world.ok(["clone", "kept", "--name", "revenant"]);
    await world.ok(["snapshot", "rm", "kept"]);
    expect(JSON.parse(await world.ok(["snapshot", "ls", "--json"]))).toEqual([]);
    expect(readdirSync(join(world.home, "snapshots"))).toEqual([]);
    const at = await lastOf("revenant").catch(() => 0);
    await eventually("it counts on", async () => ((await lastOf("revenant")) > at ? true : undefined));
    // What it was cloned from is gone; it can be saved all the same.
    await world.ok(["suspend", "revenant"]);
    await world.ok(["resume", "revenant"]);
    expect(await world.ok(["exec", "revenant", "echo", "hi"])).toBe("hi");
  });

  it("give clones of a machine that has just drawn a random number others than each other and it", async () => {
    await run("still", "sleep 100000", "-m", "96m");
    await sleep(UNSEEDED_MS);
    const drawn = [await world.ok(["exec", "still", ...DRAW])];
    const ids = (await world.ok(["clone", "still", "-n", "4"])).split("\n");
    for (const ref of ["still", ...ids]) drawn.push(await world.ok(["exec", ref, ...DRAW]));
    expect(new Set(drawn).size).toBe(6);
  });

  it(`give ${CLONES} clones nothing in common that must be their own`, async () => {
    await run("dice", DRAWING, "--network", "user", "-m", "96m");
    await world.ok(["snapshot", "create", "dice", "--name", "dice"]);
    // A clock that goes on from where it was saved is seen to be wrong.
    await sleep(2_000 * CLOCK_ERROR_SECONDS);
    const said: string[][] = [];
    const drawn: string[] = [];
    for (let left = CLONES; left > 0; left -= TOGETHER) {
      const asked = Date.now() / 1000;
      const ids = (await world.ok(["clone", "snapshot:dice", "-n", String(Math.min(left, TOGETHER))])).split("\n");
      for (const id of ids) {
        const lines = (await world.ok(["exec", id, "sh", "-c", WHO])).split("\n");
        expect(Number(lines.at(-1))).toBeGreaterThan(asked - CLOCK_ERROR_SECONDS);
        expect(Number(lines.at(-1))).toBeLessThan(Date.now() / 1000 + CLOCK_ERROR_SECONDS);
        said.push(lines);
        drawn.push(...(await drawnAs(lines[0] ?? "none", id)));
      }
      await Promise.all(ids.map((id) => world.ok(["rm", "-f", id])));
    }
    for (let line = 0; line < 5; line += 1) expect(new Set(said.map((one) => one[line])).size).toBe(CLONES);
    expect(new Set(drawn).size).toBe(drawn.length);
    await world.ok(["snapshot", "rm", "dice"]);
  });
});
