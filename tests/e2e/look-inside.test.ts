import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

let world: World;
let folder: string;
beforeAll(async () => {
  world = await World.start();
  folder = mkdtempSync(join(tmpdir(), "isthmus-look-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world[Symbol.asyncDispose]();
});

const script = `mkdir -p /srv/new; echo x > "/srv/new/a b"; rm /bin/ls; echo '#' >> /etc/passwd; rm -r /etc/network 2>/dev/null; sleep 1000`;
const changed = ["C /bin", "D /bin/ls", "C /etc", "C /etc/passwd", "A /srv/new", "A /srv/new/a b"];

it("processes, changed files and all files of a machine are seen, also under another name and when it has ended", async () => {
  await world.ok(["run", "-d", "--name", "first", "busybox", "sh", "-c", script]);
  await world.ok(["rename", "first", "m"]);
  const look = async () => JSON.parse(await world.ok(["top", "m", "--json"]));
  await expect.poll(look).toEqual(expect.arrayContaining([expect.objectContaining({ uid: 0, command: "sleep 1000" })]));
  expect(await world.ok(["top", "m"])).toMatch(/ sleep 1000$/m);
  const processes = await look();
  expect(processes.map(({ pid }: { pid: number }) => pid)).not.toContain(1);
  const running = (await world.ok(["diff", "m"])).split("\n");
  expect(running).toEqual(expect.arrayContaining(changed));
  expect(running.filter((line) => /hosts|resolv|hostname|machine-id/.test(line))).toEqual([]);
  await world.ok(["export", "m", "-o", join(folder, "running.tar")]);
  const listed = (file: string) => execFileSync("tar", ["tf", join(folder, file)], { encoding: "utf8" }).split("\n");
  expect(listed("running.tar")).toEqual(expect.arrayContaining(["./srv/new/a b", "./bin/busybox", "./proc/"]));
  await world.ok(["stop", "-t", "0", "m"]);
  expect((await world.ok(["diff", "m"])).split("\n")).toEqual(running);
  await world.ok(["export", "m", "-o", join(folder, "ended.tar")]);
  expect(listed("ended.tar").toSorted()).toEqual(listed("running.tar").toSorted());
  expect((await world.cli(["top", "m"])).stderr).toContain("it is exited");
  const [used] = JSON.parse(await world.ok(["system", "df", "--json"])).machines;
  expect([used.name, used.sizeBytes > 0]).toEqual(["m", true]);
  expect(await world.ok(["system", "prune", "-f"])).toMatch(/^machine m\nFreed: \d/);
  expect(await world.ok(["ps", "-aq"])).toBe("");
  expect(world.engines()).toEqual([]);
});

it("limits of disks and processor change while a machine runs, and what it boots with when it does not", async () => {
  await world.ok(["run", "-d", "--name", "u", "busybox", "sh", "-c", "while sync; do echo x > /x; sleep 1; done"]);
  await world.ok([
    "update",
    "--device-write-bps",
    "1m:2m:5s",
    "--device-read-iops",
    "100",
    "--cpu-quota",
    "50000",
    "--restart",
    "unless-stopped",
    "u",
  ]);
  const [limited] = JSON.parse(await world.ok(["inspect", "u"]));
  expect(limited.spec).toMatchObject({
    resources: { cpuMax: 0.5, ioWriteBps: { rate: 1_048_576 } },
    restart: { policy: "unless-stopped" },
  });
  await world.ok(["update", "--device-write-iops", "4", "u"]);
  // Each of them writes at least once, so that there are no more than the limit allows, however fast the host is.
  const script = "n=0; end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do echo $n > /y; sync; n=$((n + 1)); done; echo $n";
  const synced = async () => Number(await world.ok(["exec", "u", "sh", "-c", script]));
  const most = 3 * 4 + 4;
  expect(await synced()).toBeLessThanOrEqual(most);
  await world.ok(["update", "--unlimited", "device-write-iops", "--unlimited", "cpu-quota", "u"]);
  // More than the limit ever allows; the host's disk may be another's for a while.
  await eventually("it writes as it likes again", async () => (await synced()) > most || undefined);
  await world.ok(["update", "--unlimited", "device-write-bps", "--unlimited", "device-read-iops", "u"]);
  await world.ok(["exec", "u", "sync"]);
  const fixed = await world.cli(["update", "--cpus", "2", "u"]);
  expect([fixed.code, fixed.stderr]).toEqual([
    1,
    expect.stringMatching(/cpus of machine u cannot change: it is running.*\n.*isthmus stop u/),
  ]);
  await world.ok(["stop", "-t", "0", "u"]);
  await world.ok(["update", "--cpus", "2", "u"]);
  await world.ok(["start", "u"]);
  expect((await world.ok(["exec", "u", "nproc"])).trim()).toBe("2");
  await world.ok(["rm", "-f", "u"]);
});

it("a health check runs in the guest, and its outcome is shown", async () => {
  const check = ["--health-cmd", "cat /ok", "--health-interval", "200ms", "--health-retries", "2"];
  await world.ok(["run", "-d", "--name", "h", ...check, "busybox", "sleep", "1000"]);
  const shown = async () => JSON.parse(await world.ok(["inspect", "h"]))[0].health;
  await expect.poll(async () => (await shown()).status).toBe("unhealthy");
  expect((await shown()).log.at(-1)).toMatchObject({ exitCode: 1, output: expect.stringContaining("/ok") });
  expect(await world.ok(["ps", "--filter", "health=unhealthy"])).toContain("(unhealthy)");
  await world.ok(["exec", "h", "touch", "/ok"]);
  await expect.poll(async () => (await shown()).status).toBe("healthy");
  expect(await world.ok(["events", "--filter", "event=health", "--machine", "h"])).toMatch(/status=unhealthy.*status=healthy/s);
  await world.ok(["rm", "-f", "h"]);
});

it("a machine without a disk has no changes", async () => {
  await world.ok(["run", "-d", "--name", "r", "--read-only", "-v", "data:/tmp", "busybox", "sh", "-c", "echo x > /tmp/x; sleep 1000"]);
  expect(await world.ok(["diff", "r"])).toBe("");
  await world.ok(["rm", "-f", "r"]);
  await world.ok(["volume", "rm", "data"]);
});
