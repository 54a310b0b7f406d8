import { MIB } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
});
afterEach(() => daemon.remove());

const refused = (code: string) => expect.objectContaining({ code });

describe("updating a machine", () => {
  it("limits its process at once, and the next one that it gets", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", resources: { cpuMax: 1, pidsMax: 100 } }, { start: true });
    const updated = await daemon.machines.update(id, {
      resources: { cpuMax: 0.5, pidsMax: null, ioReadBps: { rate: 1000 } },
      priority: "low",
    });
    const limits = { cpuMax: 0.5, ioReadBps: { rate: 1000 } };
    expect(updated).toMatchObject({ state: "running", spec: { priority: "low" } });
    expect([updated.spec.resources, daemon.host.processes.get(id)?.limits]).toEqual([limits, limits]);
    await daemon.crash();
    expect(daemon.machines.get(id).spec.resources).toEqual(limits);
    expect((await daemon.machines.update(id, { resources: { cpuMax: null, ioReadBps: null } })).spec.resources).toBeUndefined();
    await daemon.machines.stop(id);
    await daemon.machines.update(id, { resources: { pidsMax: 50 } });
    await daemon.machines.start(id);
    expect(daemon.host.processes.get(id)?.plan.resources).toEqual({ pidsMax: 50 });
  });

  it("changes all or nothing", async () => {
    const { id } = await daemon.machines.create({ image: "busybox", resources: { cpuMax: 1 } }, { start: true });
    await expect(daemon.machines.update(id, { priority: "low", resources: { pidsMax: 13 } })).rejects.toThrow(refused("LIMIT_REFUSED"));
    const burst = { resources: { ioReadBps: { rate: 10, burst: 5 } } };
    await expect(daemon.machines.update(id, { ...burst, priority: "low" })).rejects.toThrow(refused("INVALID_REQUEST"));
    expect(daemon.host.processes.get(id)?.limits).toEqual({ cpuMax: 1 });
    expect(daemon.machines.get(id).spec).toMatchObject({ resources: { cpuMax: 1 } });
    expect(daemon.machines.get(id).spec.priority).not.toBe("low");
  });

  it("keeps what a guest boots with while there is one, and says how to change it", async () => {
    const { id } = await daemon.machines.create({ image: "busybox" }, { start: true });
    await expect(daemon.machines.update(id, { cpus: 2 })).rejects.toThrow(refused("FIXED_WHILE_LIVE"));
    await daemon.machines.suspend(id);
    await expect(daemon.machines.update(id, { memoryBytes: 256 * MIB })).rejects.toMatchObject({
      remedy: expect.stringContaining("Stop it"),
    });
    await daemon.machines.kill(id);
    await daemon.machines.update(id, { cpus: 2, memoryBytes: 256 * MIB });
    await daemon.machines.start(id);
    expect(daemon.host.processes.get(id)?.plan).toMatchObject({ cpus: 2, memoryBytes: 256 * MIB });
  });
});

describe("a restart of the host", () => {
  it("brings back what its policy says, whether it ran or was stopped", async () => {
    const policies = ["no", "on-failure", "unless-stopped", "always"] as const;
    for (const policy of policies)
      for (const name of [`${policy}-ran`, `${policy}-stopped`])
        await daemon.machines.create({ image: "busybox", name, restart: { policy } }, { start: true });
    for (const policy of policies) await daemon.machines.stop(`${policy}-stopped`);
    await daemon.crash();
    await daemon.clock.advance(60_000);
    const running = () =>
      daemon
        .all()
        .filter(({ state }) => state === "running")
        .map(({ name }) => name);
    expect(running().toSorted()).toEqual(policies.map((policy) => `${policy}-ran`).toSorted());
    daemon.host.reboot();
    await daemon.crash();
    await daemon.clock.advance(60_000);
    await quiet();
    expect(running().toSorted()).toEqual(["always-ran", "always-stopped", "unless-stopped-ran"]);
  });
});
