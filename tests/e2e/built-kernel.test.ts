import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, noise, World } from "../world.ts";

const BUILD_DEADLINE_MS = 2 * 3_600_000;
const dataFolder =
  process.getuid?.() === 0 ? "/var/lib/isthmus" : join(process.env.XDG_DATA_HOME ?? join(homedir(), ".local/share"), "isthmus");
/** Kernels that `isthmus kernel build` made on this host earlier; building takes too long for each run of the tests. */
const built = process.env.ISTHMUS_TEST_BUILT_KERNELS ?? join(dataFolder, "kernels/built");
const there = existsSync(built) && readdirSync(built).some((name) => existsSync(join(built, name, "vmlinuz")));

/** Nanoseconds that each thread but the main one, which waits for clients, has run. */
function processorTime(pids: readonly number[]): string[] {
  return pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      Number(thread) === pid ? [] : [`${thread} ${readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]}`],
    ),
  );
}

describe.runIf(there || process.env.SOAK === "1")("a machine with the kernel that Isthmus builds", () => {
  let world: World;
  let id = "";
  const inGuest = (...command: string[]) => world.ok(["exec", id, ...command]);

  beforeAll(async () => {
    world = await World.start();
    if (there) cpSync(built, join(world.home, "kernels/built"), { recursive: true });
    else await world.run(["kernel", "build"]);
    const ticks = "while :; do echo >> /root/ticks; sleep 0.1; done &";
    const page = `${ticks} mkdir /w; echo deck > /w/index.html; exec httpd -f -p 8080 -h /w`;
    id = await world.ok(["run", "-d", "--cpus", "2", "-p", "127.0.0.1:0:8080", "busybox", "sh", "-c", page]);
  }, BUILD_DEADLINE_MS);
  afterAll(async () => await world[Symbol.asyncDispose]());

  it("boots it, being the one that kernel ls names", async () => {
    const selected = (await world.isthmus.kernels.list()).find((kernel) => kernel.selected);
    expect(selected).toMatchObject({ source: "built" });
    expect(await inGuest("uname", "-r")).toBe(selected?.version);
    expect(await inGuest("nproc")).toBe("2");
  });

  it("has the file systems, devices, namespaces and controllers that machines are promised", async () => {
    const filesystems = (await inGuest("cat", "/proc/filesystems")).split(/\s+/);
    expect(filesystems).toEqual(expect.arrayContaining(["squashfs", "erofs", "ext4", "overlay", "9p", "tmpfs", "cgroup2", "fuse"]));
    const drivers = (await inGuest("ls", "/sys/bus/virtio/drivers")).split(/\s+/);
    const wanted = [
      "virtio_blk",
      "virtio_net",
      "virtio_console",
      "virtio_balloon",
      "virtio_rng",
      "vmw_vsock_virtio_transport",
      "9pnet_virtio",
    ];
    expect(drivers).toEqual(expect.arrayContaining(wanted));
    const namespaces = (await inGuest("ls", "/proc/self/ns")).split(/\s+/);
    expect(namespaces).toEqual(expect.arrayContaining(["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]));
    const controllers = (await inGuest("cat", "/sys/fs/cgroup/cgroup.controllers")).split(" ");
    expect(controllers).toEqual(expect.arrayContaining(["cpuset", "cpu", "io", "memory", "pids"]));
    expect(await inGuest("cat", "/proc/sys/kernel/seccomp/actions_avail")).toContain("user_notif");
    expect(await inGuest("cat", "/proc/net/if_inet6")).toMatch(/\blo$/m);
  });

  it("passes on output and exit codes of exec, and its stdin", async () => {
    const ended = await world.cli(["exec", id, "sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect([ended.code, ended.text, ended.stderr.trim()]).toEqual([7, "out", "err"]);
    expect((await world.cli(["exec", "-i", id, "wc", "-c"], { input: noise(300_000) })).text).toBe("300000");
  });

  it("tells what it uses", async () => {
    const [stats] = JSON.parse(await world.ok(["stats", "--no-stream", "--json", id]));
    expect(stats).toMatchObject({ id, uptimeMs: expect.any(Number), memory: { totalBytes: expect.any(Number) } });
    expect(stats.cpuMs).toBeGreaterThan(0);
    expect(stats.memory.availableBytes).toBeGreaterThan(0);
    expect(stats.disk.totalBytes).toBeGreaterThan(0);
  });

  it("takes and gives files unchanged", async () => {
    const [sent, back] = [join(world.home, "sent"), join(world.home, "back")];
    writeFileSync(sent, noise(1_000_000));
    await world.ok(["cp", sent, `${id}:/root/file`]);
    await world.ok(["cp", `${id}:/root/file`, back]);
    expect(readFileSync(back).equals(noise(1_000_000))).toBe(true);
  });

  it("serves a published port and reaches the host", async () => {
    const port = (await world.isthmus.machines.get(id)).ports[0]?.host;
    const get = () => fetch(`http://127.0.0.1:${port}/index.html`).then((answer) => answer.text());
    expect(await eventually("an answer from the guest", () => get().catch(() => undefined))).toBe("deck\n");
    const server = createServer((_request, response) => response.end("from the host")).listen(0, "127.0.0.1");
    try {
      await new Promise((done) => server.once("listening", done));
      expect(await inGuest("wget", "-qO-", `http://10.0.2.2:${(server.address() as AddressInfo).port}/`)).toBe("from the host");
    } finally {
      server.close();
    }
  });

  it("stands still while it is paused, and goes on", async () => {
    const ticks = async () => Number((await inGuest("wc", "-c", "/root/ticks")).split(" ")[0]);
    await eventually("a tick", async () => ((await ticks()) > 0 ? true : undefined));
    await world.ok(["pause", id]);
    expect((await world.isthmus.machines.get(id)).state).toBe("paused");
    await sleep(500);
    const before = processorTime(world.engines());
    await sleep(2_000);
    expect(processorTime(world.engines())).toEqual(before);
    await world.ok(["unpause", id]);
    const then = await ticks();
    await eventually("more ticks", async () => ((await ticks()) > then ? true : undefined));
  });

  it("stops, keeps its disk, and starts again", async () => {
    await inGuest("sh", "-c", "echo kept > /root/kept; sync");
    await world.ok(["stop", id]);
    expect((await world.isthmus.machines.get(id)).state).toBe("exited");
    await world.ok(["start", id]);
    expect(await inGuest("cat", "/root/kept")).toBe("kept");
    await world.ok(["rm", "-f", id]);
  });
});
