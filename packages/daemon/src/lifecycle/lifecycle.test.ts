import { GIB, IsthmusError, MIB } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
});
afterEach(() => daemon.remove());

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: unknown) => (error instanceof IsthmusError ? error.code : String(error)),
  );

describe("creating a machine", () => {
  it("keeps it as requested until it is started", async () => {
    const machine = await daemon.machines.create({ image: "busybox" });
    expect(machine).toMatchObject({ state: "requested", argv: ["sh"], isolation: "microvm", spec: { cpus: 1, memoryBytes: 128 * MIB } });
    expect(machine.name).toMatch(/^[a-z]+-[a-z]+/);
    expect(daemon.host.folders.size).toBe(0);
    expect(await daemon.machines.start(machine.id)).toMatchObject({ state: "running", accelerator: "tcg" });
  });

  it("answers a repeated idempotency key with the same machine, also when both come at once", async () => {
    const spec = { image: "busybox", name: "one" };
    const [first, second] = await Promise.all([
      daemon.machines.create(spec, { idempotencyKey: "k", start: true }),
      daemon.machines.create(spec, { idempotencyKey: "k", start: true }),
    ]);
    expect(second.id).toBe(first.id);
    expect(daemon.host.processes.size).toBe(1);
    expect(await code(daemon.machines.create({ image: "busybox" }, { idempotencyKey: "k", start: true }))).toBe("IDEMPOTENCY_MISMATCH");
  });

  it("tells of a repeated key whose machine was removed instead of making another", async () => {
    const machine = await daemon.machines.create({ image: "busybox" }, { idempotencyKey: "k" });
    await daemon.machines.remove(machine.id);
    expect(await code(daemon.machines.create({ image: "busybox" }, { idempotencyKey: "k" }))).toBe("MACHINE_NOT_FOUND");
  });

  it("refuses a name that is taken, and leaves nothing", async () => {
    await daemon.machines.create({ image: "busybox", name: "web" });
    expect(await code(daemon.machines.create({ image: "busybox", name: "web" }))).toBe("NAME_TAKEN");
    expect(await code(daemon.machines.create({ image: "missing" }))).toBe("IMAGE_NOT_FOUND");
    expect(daemon.all()).toHaveLength(1);
  });

  it("refuses what does not fit the host's memory, counted over all machines that have or get a process", async () => {
    daemon.memoryTotalBytes = 1 * GIB;
    await daemon.restart();
    const spec = { image: "busybox", memoryBytes: 400 * MIB };
    await daemon.machines.create(spec, { start: true });
    const second = await daemon.machines.create(spec);
    await daemon.machines.start(second.id);
    expect(await code(daemon.machines.create(spec, { start: true }))).toBe("NO_CAPACITY");
    expect(daemon.all()).toHaveLength(2);
    await daemon.machines.stop(second.id);
    await daemon.machines.create(spec, { start: true });
    expect(await code(daemon.machines.start(second.id))).toBe("NO_CAPACITY");
  });
});

describe("starting a machine", () => {
  it("lets so many start at a time as the host has CPUs, and calls off those that wait when they are stopped", async () => {
    daemon.host.nextStarts = ["hang", "hang"];
    const starts = [0, 1, 2].map((index) => daemon.machines.create({ image: "busybox", name: `m${index}` }, { start: true }));
    const codes = Promise.all(starts.map(code));
    await quiet();
    expect(daemon.machines.counts()).toEqual({ starting: 2, queued: 1 });
    expect((await daemon.machines.stop("m2")).exit).toEqual({ code: 143, signal: 15, reason: "cancelled" });
    await daemon.machines.stop("m0");
    await daemon.machines.stop("m1");
    expect(await codes).toEqual(["CANCELLED", "CANCELLED", "CANCELLED"]);
    expect(daemon.host.processes.size).toBe(0);
  });

  it("takes down what a failed start made and keeps its first cause", async () => {
    daemon.host.nextStarts = [new IsthmusError("START_TIMEOUT", { name: "m", limit: 1 })];
    expect(await code(daemon.machines.create({ image: "busybox", name: "m" }, { start: true }))).toBe("START_TIMEOUT");
    expect(daemon.machines.get("m")).toMatchObject({ state: "failed", failure: { code: "START_TIMEOUT" } });
    expect(daemon.host.disks.size).toBe(0);
    expect(await code(daemon.machines.wait("m"))).toBe("START_TIMEOUT");
    expect(await daemon.machines.start("m")).toMatchObject({ state: "running" });
    expect(daemon.machines.get("m").failure).toBeUndefined();
  });

  it("keeps the disk of a machine that has run before when a later start fails", async () => {
    await daemon.machines.create({ image: "busybox", name: "m" }, { start: true });
    await daemon.machines.stop("m");
    daemon.host.nextStarts = [new IsthmusError("START_FAILED", { name: "m", reason: "no" })];
    expect(await code(daemon.machines.start("m"))).toBe("START_FAILED");
    expect(daemon.host.disks.size).toBe(1);
  });

  it("stops waiting when the client goes, while the start goes on", async () => {
    const controller = new AbortController();
    daemon.host.nextStarts = ["hang"];
    const start = code(daemon.machines.create({ image: "busybox", name: "m" }, { start: true, signal: controller.signal }));
    await quiet();
    controller.abort();
    expect(await start).toBe("CANCELLED");
    expect(daemon.machines.get("m").state).toBe("starting");
    await daemon.machines.remove("m", { force: true });
  });
});

describe("ending a machine", () => {
  it("kills a guest that does not mind the stop, after its time", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", name: "m" }, { start: true });
    const process = daemon.host.processes.get(id);
    if (process) process.stubborn = true;
    const stop = daemon.machines.stop("m", { timeoutMs: 1000 });
    await quiet();
    expect(daemon.machines.get("m").state).toBe("stopping");
    expect(await code(daemon.machines.stop("m"))).toBe("STATE_CONFLICT");
    await daemon.clock.advance(20_000);
    expect((await stop).exit).toEqual({ code: 137, signal: 9, reason: "killed" });
  });

  it("that never began changes nothing, and does not wait", async () => {
    await daemon.machines.create({ image: "busybox", name: "m" });
    expect((await daemon.machines.stop("m")).state).toBe("requested");
  });

  it("that has ended is no error, and has no ports any more", async () => {
    await daemon.machines.create(
      { image: "busybox", name: "m", network: "user", ports: [{ host: 8080, guest: 80, address: "127.0.0.1", protocol: "tcp" }] },
      { start: true },
    );
    await daemon.machines.stop("m");
    const again = await daemon.machines.stop("m");
    expect(again).toMatchObject({ state: "exited", ports: [] });
    expect(again.spec.ports).toMatchObject([{ guest: 80 }]);
  });

  it("kills at once while a slow stop is under way", async () => {
    const { id } = await daemon.machines.create({ image: "busybox" }, { start: true });
    const process = daemon.host.processes.get(id);
    if (process) process.stubborn = true;
    const stop = daemon.machines.stop(id);
    await quiet();
    expect((await daemon.machines.kill(id)).state).toBe("exited");
    expect((await stop).exit?.code).toBe(137);
  });

  it("tells a dead engine from an exit, and an exit of the workload's own", async () => {
    const one = await daemon.machines.create({ image: "busybox" }, { start: true });
    const two = await daemon.machines.create({ image: "busybox" }, { start: true });
    daemon.host.end(one.id);
    daemon.host.end(two.id, { code: 3 });
    expect(await daemon.machines.wait(one.id)).toEqual({ code: 125, reason: "vmm-died" });
    expect(await daemon.machines.wait(two.id)).toEqual({ code: 3 });
  });

  it("stops a paused machine", async () => {
    await daemon.machines.create({ image: "busybox", name: "m" }, { start: true });
    expect((await daemon.machines.pause("m")).state).toBe("paused");
    expect(await code(daemon.machines.pause("m"))).toBe("STATE_CONFLICT");
    expect(await code(daemon.machines.kill("m", "TERM"))).toBe("STATE_CONFLICT");
    expect((await daemon.machines.stop("m")).exit?.signal).toBe(15);
  });

  it("ends a machine at its time to live, also across a restart of the daemon", async () => {
    await daemon.machines.create({ image: "busybox", name: "m", ttlMs: 60_000, restart: { policy: "always" } }, { start: true });
    await daemon.clock.advance(30_000);
    await daemon.crash();
    expect(daemon.machines.get("m").state).toBe("running");
    await daemon.clock.advance(31_000);
    expect(daemon.machines.get("m")).toMatchObject({ state: "exited", exit: { code: 143, reason: "ttl" } });
  });

  it("refuses to remove what runs, unless forced", async () => {
    const { id } = await daemon.machines.create({ image: "busybox" }, { start: true });
    expect(await code(daemon.machines.remove(id))).toBe("STATE_CONFLICT");
    await daemon.machines.remove(id, { force: true });
    expect(await code(Promise.resolve().then(() => daemon.machines.get(id)))).toBe("MACHINE_NOT_FOUND");
    expect(daemon.host).toMatchObject({ folders: new Set(), disks: new Set(), processes: new Map() });
    expect(await daemon.machines.wait(id)).toEqual({ code: 137, signal: 9, reason: "killed" });
  });
});

describe("restarting by policy", () => {
  it("doubles the pause, forgets it after a long run, and stops for the user", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", name: "m", restart: { policy: "always" } }, { start: true });
    for (const pause of [100, 200, 400]) {
      daemon.host.end(id, { code: 0 });
      await quiet();
      await daemon.clock.advance(pause - 1);
      expect(daemon.machines.get("m").state).toBe("exited");
      await daemon.clock.advance(1);
      expect(daemon.machines.get("m").state).toBe("running");
    }
    await daemon.clock.advance(10_000);
    daemon.host.end(id, { code: 0 });
    await quiet();
    await daemon.clock.advance(100);
    expect(daemon.machines.get("m")).toMatchObject({ state: "running", restarts: 4 });
    daemon.host.end(id, { code: 0 });
    await quiet();
    expect((await daemon.machines.stop("m")).state).toBe("exited");
    await daemon.clock.advance(100_000);
    expect(daemon.machines.get("m").state).toBe("exited");
  });

  it("restarts on failure so many times as asked, and not after success", async () => {
    const restart = { policy: "on-failure", maxRetries: 2 } as const;
    const { id } = await daemon.machines.create({ image: "busybox", restart }, { start: true });
    for (let time = 0; time < 3; time += 1) {
      daemon.host.end(id, { code: 7 });
      await quiet();
      await daemon.clock.advance(1000);
    }
    expect(daemon.machines.get(id)).toMatchObject({ state: "exited", restarts: 2, exit: { code: 7 } });
    await daemon.machines.start(id);
    daemon.host.end(id, { code: 0 });
    await quiet();
    await daemon.clock.advance(1000);
    expect(daemon.machines.get(id)).toMatchObject({ state: "exited", restarts: 0 });
  });

  it("goes on waiting for a restart in the next daemon", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", restart: { policy: "always" } }, { start: true });
    daemon.host.end(id, { code: 1 });
    await quiet();
    const waiting = daemon.machines.get(id);
    expect(Date.parse(waiting.restartsAt ?? "")).toBeGreaterThan(daemon.clock.now());
    const { machines } = await daemon.machines.list({ limit: 9, states: ["running"], orRestarting: true });
    expect(machines).toHaveLength(1);
    await daemon.crash();
    await daemon.clock.advance(100);
    const restarted = daemon.machines.get(id);
    expect([restarted.state, restarted.restartsAt]).toEqual(["running", undefined]);
  });
});

describe("removing a machine by itself", () => {
  it("waits a moment for a client that comes to read, and for one that reads", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", autoRemove: true }, { start: true });
    const path = `/m/${id}/output`;
    daemon.host.write(path, "stdout", "hello");
    daemon.host.end(id, { code: 4 });
    await quiet();
    const text: string[] = [];
    for await (const { bytes } of daemon.machines.logs(id, { follow: true })) text.push(bytes.toString());
    await quiet();
    expect(text).toEqual(["hello"]);
    expect(daemon.all()).toEqual([]);
    expect(await daemon.machines.wait(id)).toEqual({ code: 4 });
  });

  it("is not told as over while anything of it is left, to whomever asks", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", autoRemove: true }, { start: true });
    const removal = Promise.withResolvers<void>();
    daemon.host.folderRemoval = removal.promise;
    const told: string[] = [];
    const ask = (who: string) => daemon.machines.wait(id, "removed").then(() => told.push(who));
    const early = ask("early");
    daemon.host.end(id, { code: 4 });
    await quiet();
    await daemon.clock.advance(1000);
    expect(daemon.all()).toEqual([]);
    const late = ask("late");
    expect(await daemon.machines.wait(id)).toEqual({ code: 4 });
    const impatient = daemon.machines.wait(id, "removed", AbortSignal.abort());
    expect(await code(impatient)).toBe("CANCELLED");
    expect(told).toEqual([]);
    removal.resolve();
    await Promise.all([early, late]);
    expect(daemon.host.folders.size).toBe(0);
  });

  it("removes it although nobody reads, and after a failed start", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", autoRemove: true }, { start: true });
    const removed = daemon.machines.wait(id, "removed");
    daemon.host.end(id, { code: 4 });
    await quiet();
    await daemon.clock.advance(1000);
    expect(await removed).toEqual({ code: 4 });
    daemon.host.nextStarts = [new IsthmusError("START_FAILED", { name: "m", reason: "no" })];
    expect(await code(daemon.machines.create({ image: "busybox", autoRemove: true }, { start: true }))).toBe("START_FAILED");
    await quiet();
    expect(daemon.all()).toEqual([]);
    expect(daemon.host.folders.size).toBe(0);
  });
});

describe("limits and following", () => {
  it("refuses a machine's request when too many wait for it", async () => {
    const { id } = await daemon.machines.create({ image: "busybox" });
    const codes = await Promise.all(Array.from({ length: 60 }, () => code(daemon.machines.start(id))));
    expect(codes.filter((one) => one === "MACHINE_BUSY").length).toBe(28);
    expect(codes.filter((one) => one === "no error").length).toBe(1);
  });

  it("follows events and ends when the daemon closes", async () => {
    const types: string[] = [];
    const following = (async () => {
      for await (const event of daemon.machines.events({ afterSeq: 0, follow: true })) types.push(event.type);
    })();
    const { id } = await daemon.machines.create({ image: "busybox" }, { start: true });
    daemon.host.end(id, { code: 0 });
    await quiet();
    await daemon.machines.close();
    await following;
    expect(types).toEqual(["created", "queued", "admitted", "starting", "running", "exited"].map((type) => `machine.${type}`));
    expect(await code(daemon.machines.start(id))).toBe("SHUTTING_DOWN");
  });

  it("lets go of running machines when it closes", async () => {
    const { id } = await daemon.machines.create({ image: "busybox" }, { start: true });
    await daemon.machines.close();
    expect(daemon.host.processes.has(id)).toBe(true);
    await daemon.restart();
    expect((await daemon.machines.stop(id)).state).toBe("exited");
  });
});

describe("an action that a machine's state forbids", () => {
  const remedy = (promise: Promise<unknown>) =>
    promise.then(
      () => "no error",
      (error: unknown) => IsthmusError.from(error).remedy,
    );

  it("is refused with the command that comes first", async () => {
    await daemon.machines.create({ image: "busybox", name: "m" }, { start: true });
    expect(await remedy(daemon.machines.remove("m"))).toMatch(/ isthmus rm -f m$/);
    expect(await remedy(daemon.machines.unpause("m"))).toBe("unpause works when a machine is: paused.");
    await daemon.machines.pause("m");
    expect(await remedy(daemon.machines.suspend("m"))).toBe(
      "suspend works when a machine is: running. Unpause it first: isthmus unpause m",
    );
    await daemon.machines.unpause("m");
    await daemon.machines.suspend("m");
    expect(await remedy(daemon.machines.stop("m"))).toMatch(/\. Resume it first: isthmus resume m$/);
    expect(await remedy(daemon.machines.remove("m"))).toMatch(/ isthmus rm -f m$/);
    await daemon.machines.kill("m");
    expect(await remedy(daemon.machines.pause("m"))).toMatch(/ Start it first: isthmus start m$/);
  });
});
