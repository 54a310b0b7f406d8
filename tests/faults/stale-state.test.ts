import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

const cases = ["reused", "socketless", "hung", "rowless", "diskless", "rebooted", "reborn"] as const;
type Case = (typeof cases)[number];

/** Row 5 of the battery: what a daemon may find, each on a machine of its own, all before one start of the daemon. */
let world: World;
let foreign: ChildProcess;
const id = {} as Record<Case, string>;
const pid = {} as Record<Case, number>;

beforeAll(async () => {
  world = await World.start();
  const start = async (name: Case) => {
    const more = name === "reborn" ? ["--restart", "always"] : [];
    id[name] = await world.ok(["run", "-d", "--name", name, "--memory", "96m", ...more, "busybox", "sleep", "100000"]);
    await world.ok(["exec", name, "sh", "-c", "echo mine > /root/mark; sync"]);
    pid[name] = (await world.isthmus.machines.get(name)).pid ?? 0;
  };
  for (let at = 0; at < cases.length; at += 3) await Promise.all(cases.slice(at, at + 3).map(start));
  foreign = spawn("sleep", ["100000"]);
  await once(foreign, "spawn");
  await world.killDaemon();
  await damage();
  await world.ok(["daemon", "start"]);
  const begun = Date.now();
  await eventually("every machine has its verdict", async () => (logged("took up the machines") > logged("is ready") ? true : undefined));
  console.log(`verdicts on ${cases.length} machines after ${Date.now() - begun} ms`);
});
afterAll(async () => {
  foreign.kill("SIGKILL");
  await world[Symbol.asyncDispose]();
});

/** Where the daemon's log has a line with `words` last. */
const logged = (words: string) => readFileSync(join(world.home, "daemon.log"), "utf8").lastIndexOf(words);
const folder = (name: Case) => join(world.home, "machines", id[name]);
const alive = (number: number) => existsSync(`/proc/${number}/exe`);
const startTime = (number: number) => readFileSync(`/proc/${number}/stat`, "utf8").split(") ")[1]?.split(" ")[19] ?? "";
const state = async (name: Case) => (await world.isthmus.machines.get(name)).state;
/** Engine processes of one machine. */
const mine = (name: Case) => world.engines().filter((engine) => readFileSync(`/proc/${engine}/cmdline`, "utf8").includes(folder(name)));

function rewrite(name: Case, change: object): void {
  const path = join(folder(name), "engine.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
}

async function end(name: Case): Promise<void> {
  process.kill(pid[name], "SIGKILL");
  await eventually(`${name} is gone`, async () => (alive(pid[name]) ? undefined : true));
}

/** As the machine's record and engine state look after the host was restarted: of another boot, with a pid that is another's by now. */
async function reboot(name: Case, db: DatabaseSync): Promise<void> {
  await end(name);
  rewrite(name, { bootId: "before", pid: foreign.pid, startTime: startTime(foreign.pid ?? 0) });
  db.prepare("UPDATE machines SET boot = json_set(boot, '$.hostBootId', 'before') WHERE id = ?").run(id[name]);
}

async function damage(): Promise<void> {
  await end("reused");
  rewrite("reused", { pid: foreign.pid, startTime: startTime(foreign.pid ?? 0) });
  for (const socket of ["agent.sock", "qmp.sock"]) rmSync(join(world.home, "run", "m", id.socketless, socket));
  process.kill(pid.hung, "SIGSTOP");
  rmSync(join(folder("diskless"), "disk.ext4"));
  const db = new DatabaseSync(join(world.home, "isthmus.db"));
  db.prepare("DELETE FROM machines WHERE id = ?").run(id.rowless);
  await reboot("rebooted", db);
  await reboot("reborn", db);
  db.close();
}

describe("a daemon that starts finds", () => {
  it("a pid that is another process's by now: the machine has ended, the other is left alone", async () => {
    const machine = await world.isthmus.machines.get("reused");
    expect([machine.state, machine.exit]).toEqual(["exited", { code: 125, reason: "vmm-died" }]);
    await world.ok(["rm", "-f", "reused"]);
    expect([foreign.exitCode, foreign.signalCode]).toEqual([null, null]);
  });

  it("a process whose sockets are gone: it is kept, not copied, and can be ended", async () => {
    expect([await state("socketless"), alive(pid.socketless)]).toEqual(["running", true]);
    const refused = await world.cli(["exec", "socketless", "true"]);
    expect([refused.code, refused.stderr]).toEqual([125, expect.stringContaining("socketless")]);
    expect(mine("socketless")).toEqual([pid.socketless]);
    await world.ok(["kill", "socketless"]);
    expect([await state("socketless"), alive(pid.socketless)]).toEqual(["exited", false]);
  });

  it("a process that hangs: it is kept, not copied, and serves when it goes on", async () => {
    expect([await state("hung"), mine("hung").length]).toEqual(["running", 1]);
    process.kill(pid.hung, "SIGCONT");
    expect(await world.ok(["exec", "hung", "cat", "/root/mark"])).toBe("mine");
    expect((await world.isthmus.machines.get("hung")).pid).toBe(pid.hung);
  });

  it("a process and a folder without a record: both go", async () => {
    await eventually("the orphan is gone", async () => (alive(pid.rowless) || existsSync(folder("rowless")) ? undefined : true));
    expect((await world.cli(["inspect", "rowless"])).stderr).toContain("rowless");
  });

  it("a machine without its disk file: it goes on, and its next start tells that the disk is a new one", async () => {
    expect(await world.ok(["exec", "diskless", "cat", "/root/mark"])).toBe("mine");
    expect((await world.isthmus.machines.get("diskless")).pid).toBe(pid.diskless);
    await world.ok(["kill", "diskless"]);
    await world.ok(["start", "diskless"]);
    expect((await world.cli(["exec", "diskless", "cat", "/root/mark"])).code).toBe(1);
    expect((await world.isthmus.machines.get("diskless")).notes.join()).toContain("disk");
  });

  it("the machines of an earlier boot of the host: ended, or begun again by their policy, once", async () => {
    const machine = await world.isthmus.machines.get("rebooted");
    expect([machine.state, machine.exit]).toEqual(["exited", { code: 125, reason: "host-rebooted" }]);
    await eventually("the other runs again", async () => ((await state("reborn")) === "running" ? true : undefined), 60_000);
    const again = await world.isthmus.machines.get("reborn");
    expect([again.restarts, mine("reborn").length]).toEqual([1, 1]);
    expect(await world.ok(["exec", "reborn", "cat", "/root/mark"])).toBe("mine");
    expect(alive(foreign.pid ?? 0)).toBe(true);
  });
});
