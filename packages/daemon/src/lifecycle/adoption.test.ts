import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
});
afterEach(() => daemon.remove());

const run = (name: string, more: object = {}) => daemon.machines.create({ image: "busybox", name, ...more }, { start: true });

describe("a daemon that takes up what an earlier one left", () => {
  it("adopts what runs, with the same pids", async () => {
    const before = await Promise.all(["a", "b", "c"].map((name) => run(name)));
    await daemon.crash();
    for (const machine of before)
      expect(daemon.machines.get(machine.id)).toMatchObject({ state: "running", pid: machine.pid, restarts: 0 });
    daemon.host.end(before[0]?.id ?? "", { code: 5 });
    expect(await daemon.machines.wait("a")).toEqual({ code: 5 });
  });

  it("finds the exit of a machine that ended in between", async () => {
    const { id } = await run("m");
    daemon.host.end(id, { code: 9 });
    await daemon.crash();
    expect(daemon.machines.get("m")).toMatchObject({ state: "exited", exit: { code: 9 } });
  });

  it("tells a reboot of the host, and starts again what shall always run", async () => {
    await run("m");
    await run("n", { restart: { policy: "always" } });
    daemon.host.reboot();
    await daemon.crash();
    expect(daemon.machines.get("m").exit).toEqual({ code: 125, reason: "host-rebooted" });
    await daemon.clock.advance(1000);
    expect(daemon.machines.get("n")).toMatchObject({ state: "running", restarts: 1 });
  });

  it("does not take a machine that hangs for dead, starts no second copy, and reaches it later", async () => {
    const { id, pid } = await run("m");
    const process = daemon.host.processes.get(id);
    if (process) process.hung = true;
    await daemon.crash();
    expect(daemon.machines.get("m")).toMatchObject({ state: "running", pid });
    await expect(daemon.machines.pause("m")).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    if (process) process.hung = false;
    await daemon.clock.advance(6000);
    expect((await daemon.machines.pause("m")).pid).toBe(pid);
    expect(daemon.host.secondCopies).toBe(0);
  });

  it("kills a machine that hangs when asked to", async () => {
    const { id } = await run("m");
    const process = daemon.host.processes.get(id);
    if (process) process.hung = true;
    await daemon.crash();
    expect((await daemon.machines.kill("m")).exit).toEqual({ code: 137, signal: 9, reason: "killed" });
    expect(daemon.host.processes.size).toBe(0);
  });

  it("stops a machine that hangs, at the end of its time", async () => {
    const { id } = await run("m");
    const process = daemon.host.processes.get(id);
    if (process) process.hung = true;
    await daemon.crash();
    const stop = daemon.machines.stop("m", { timeoutMs: 500 });
    await quiet();
    await daemon.clock.advance(500);
    expect((await stop).state).toBe("exited");
  });

  it("ends processes and removes folders that no record knows, and none else", async () => {
    const { id } = await run("m");
    const process = daemon.host.processes.get(id);
    if (process) daemon.host.spawn({ ...process.plan, id: "00000000000000aa", folder: "/m/00000000000000aa" });
    daemon.host.folders.add("00000000000000aa").add("00000000000000bb");
    await daemon.crash();
    expect([...daemon.host.processes.keys()]).toEqual([id]);
    expect([...daemon.host.folders]).toEqual([id]);
  });

  it("sees that a guest was paused while nobody wrote it down", async () => {
    const { id } = await run("m");
    const process = daemon.host.processes.get(id);
    if (process) process.paused = true;
    await daemon.crash();
    expect(daemon.machines.get("m").state).toBe("paused");
  });

  it("starts a machine without its disk and folder anew", async () => {
    const { id } = await run("m");
    await daemon.machines.stop("m");
    daemon.host.folders.delete(id);
    daemon.host.disks.delete(id);
    await daemon.crash();
    expect((await daemon.machines.start("m")).state).toBe("running");
  });

  it("gives up a start in which daemon after daemon dies", async () => {
    daemon.crashAt = "start.before-engine";
    void run("m").catch(() => undefined);
    await quiet();
    for (let death = 0; death < 3; death += 1) {
      daemon.crashAt = "start.before-engine";
      await daemon.restart();
    }
    await daemon.restart();
    expect(daemon.machines.get("m")).toMatchObject({ state: "failed", failure: { code: "START_FAILED" } });
    expect(daemon.host.processes.size).toBe(0);
  });
});
