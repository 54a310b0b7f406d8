import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { World } from "../world.ts";

let world: World;
let folder: string;
beforeAll(async () => {
  world = await World.start();
  folder = mkdtempSync(join(tmpdir(), "isthmus-cp-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world.isthmus.volumes.prune({ all: true });
  await world[Symbol.asyncDispose]();
});

it("files of a machine that has ended are copied out and in, those of its volumes too, and it starts with them", async () => {
  const script = "cat /srv/in /data/in 2>/dev/null; mkdir -p /srv; echo written > /srv/out; echo kept > /data/out";
  await world.ok(["run", "--name", "m", "-v", "data:/data", "busybox", "sh", "-c", script]);
  writeFileSync(join(folder, "in"), "from outside\n");
  await world.ok(["cp", "m:/srv/out", folder]);
  expect(readFileSync(join(folder, "out"), "utf8")).toBe("written\n");
  await world.ok(["cp", join(folder, "in"), "m:/srv/"]);
  await world.ok(["cp", join(folder, "in"), "m:/data/in"]);
  expect((await world.cli(["cp", "m:/data/out", "-"])).stdout.toString()).toContain("kept\n");
  const [machine] = JSON.parse(await world.ok(["inspect", "m"]));
  expect(machine).toMatchObject({ state: "exited", exit: { code: 0 } });
  await world.ok(["start", "m"]);
  expect(await world.ok(["wait", "m"])).toBe("0");
  expect(await world.ok(["logs", "m"])).toBe("from outside\nfrom outside");
  expect(world.engines()).toEqual([]);
  await world.ok(["rm", "m"]);
});

it("a machine that is suspended or never ran says why it cannot be copied from", async () => {
  await world.ok(["run", "-d", "--name", "s", "busybox", "sleep", "1000"]);
  await world.ok(["suspend", "s"]);
  const { code, stderr } = await world.cli(["cp", "s:/etc/hostname", folder]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("cannot copy machine s: it is suspended")]);
  await world.isthmus.machines.create({ image: "busybox", name: "never" }, { start: false });
  expect((await world.cli(["cp", "never:/etc/hostname", folder])).stderr).toContain("cannot copy machine never");
});
