import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually, World } from "../world.ts";

const SECRET = "of the host alone";

let world: World;
let outer: string;
let shared: string;
beforeAll(async () => {
  world = await World.start();
});
beforeEach(() => {
  outer = mkdtempSync(join(tmpdir(), "isthmus-host-"));
  shared = join(outer, "shared");
  mkdirSync(shared);
  writeFileSync(join(outer, "secret"), SECRET);
  writeFileSync(join(shared, "file"), "from the host\n");
  chmodSync(shared, 0o755);
});
afterEach(async () => {
  await world.removeAll();
  rmSync(outer, { recursive: true, force: true });
});
afterAll(() => world[Symbol.asyncDispose]());

const sh = (script: string, ...flags: string[]) => world.ok(["run", "--rm", ...flags, "busybox", "sh", "-c", script]);
const servers = () => world.processes().filter(({ command }) => /virtiofsd|isthmus-share/.test(command));

describe("a folder of the host", () => {
  it("is read and written by a machine, with real owners, and without devices", async () => {
    const script =
      "cat /h/file; mkdir /h/d; echo from the guest > /h/d/new; chown 12:34 /h/d/new; mknod /h/sda b 8 0 2>/dev/null || echo no device";
    expect(await sh(script, "-v", `${shared}:/h`)).toBe("from the host\nno device");
    expect(readFileSync(join(shared, "d/new"), "utf8")).toBe("from the guest\n");
    const { uid, gid } = statSync(join(shared, "d/new"));
    expect([uid, gid]).toEqual([12, 34]);
    await eventually("what served it has ended", async () => (servers().length === 0 ? true : undefined));
  });

  it("is only read where that was said, whatever the guest tries", async () => {
    const tries = "touch /h/x; rm /h/file; mount -o remount,rw /h; echo y > /h/file; cat /h/file";
    expect(await sh(`(${tries}) 2>/dev/null`, "-v", `${shared}:/h:ro`)).toBe("from the host");
    expect(readdirSync(shared)).toEqual(["file"]);
  });

  it("lets nobody out: not by links of the guest, not by links of the host, not by names", async () => {
    symlinkSync(join(outer, "secret"), join(shared, "absolute"));
    symlinkSync("../secret", join(shared, "relative"));
    symlinkSync("..", join(shared, "up"));
    const reads = ["absolute", "relative", "up/secret", "../secret", "made", "made-up/secret"].map((name) => `cat /h/${name}`).join("; ");
    const script = `ln -s ${join(outer, "secret")} /h/made; ln -s .. /h/made-up; ln -s /etc/hostname /h/own; (${reads}) 2>/dev/null; cat /h/own`;
    const said = await sh(script, "-v", `${shared}:/h`, "--hostname", "guest-name");
    expect(said).toBe("guest-name");
    expect(said).not.toContain(SECRET);
  });

  it("keeps a machine from being suspended, and goes on over the death of the daemon", async () => {
    await world.ok(["run", "-d", "--name", "user", "-v", `${shared}:/h`, "busybox", "sleep", "1000"]);
    const { code, stderr } = await world.cli(["suspend", "user"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("path")]);
    await world.killDaemon();
    await world.ok(["daemon", "start"]);
    expect(await world.ok(["exec", "user", "cat", "/h/file"])).toBe("from the host");
    const [machine] = JSON.parse(await world.ok(["inspect", "user"]));
    expect(machine).toMatchObject({ startedFrom: "boot", notes: [expect.stringContaining("booted, not cloned")] });
    await world.ok(["rm", "-f", "user"]);
    await eventually("what served it has ended", async () => (servers().length === 0 ? true : undefined));
  });

  it("is refused when it is missing or the daemon's own, and a machine is not made", async () => {
    for (const path of [join(outer, "nothing"), world.home]) {
      const { code, stderr } = await world.cli(["run", "-v", `${path}:/h`, "busybox", "true"]);
      expect([code, stderr]).toEqual([125, expect.stringContaining(`path ${path} of the host cannot be given`)]);
    }
    expect(await world.machines()).toEqual([]);
  });
});

it("a single file is given without the folder that it lies in", async () => {
  await writeFileInGuest();
  expect(readFileSync(join(shared, "file"), "utf8")).toBe("changed\n");
  const { stderr } = await world.cli(["run", "--rm", "-v", `${shared}/file:/etc/conf:ro`, "busybox", "sh", "-c", "echo no > /etc/conf"]);
  expect(stderr).toContain("Read-only file system");
  expect(existsSync(join(shared, "file"))).toBe(true);
});

async function writeFileInGuest(): Promise<void> {
  writeFileSync(join(shared, "neighbour"), SECRET);
  const said = await sh(
    "cat /etc/conf; echo changed > /etc/conf; cat /dev/.isthmus/mounts/*/* 2>/dev/null",
    "-v",
    `${shared}/file:/etc/conf`,
  );
  expect(said).toBe("from the host\nchanged");
}
