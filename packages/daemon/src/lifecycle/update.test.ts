import { MIB } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";
import { REFUSED_RATE } from "./fake-networks.fixture.ts";

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

  it("refuses what no guest boots with, as making one does, which leaves nothing", async () => {
    daemon.host.leastMemoryBytes = 84 * MIB;
    const mounts = [{ type: "volume", source: "data", path: "/data" }] as const;
    const little = { image: "busybox", memoryBytes: 64 * MIB, mounts: [...mounts] };
    await expect(daemon.machines.create(little)).rejects.toThrow(refused("INVALID_REQUEST"));
    expect([daemon.all(), [...daemon.host.volumes]]).toEqual([[], []]);
    const { id } = await daemon.machines.create({ image: "busybox" });
    await expect(daemon.machines.update(id, { memoryBytes: 64 * MIB })).rejects.toThrow(refused("INVALID_REQUEST"));
    expect((await daemon.machines.update(id, { memoryBytes: 84 * MIB })).spec.memoryBytes).toBe(84 * MIB);
  });
});

describe("rates of a machine's network", () => {
  const onHost = () => [...daemon.networks.rates.values()];

  it("put it on a network of the host's, change at once, and are what the next daemon takes up", async () => {
    const { id, spec } = await daemon.machines.create({ image: "busybox", resources: { netSendBps: { rate: 1000 } } }, { start: true });
    expect([spec.network, spec.networks?.[0]?.network, onHost()]).toEqual(["bridge", "default", [{ netSendBps: { rate: 1000 } }]]);
    const receives = { netReceivePps: { rate: 100, burst: 200 } };
    await daemon.machines.update(id, { resources: { netSendBps: null, ...receives } });
    expect([onHost(), daemon.machines.get(id).spec.resources]).toEqual([[receives], receives]);
    await daemon.clock.advance(1000);
    expect(onHost()).toEqual([receives]);
    daemon.networks.rates.clear();
    await daemon.crash();
    expect(onHost()).toEqual([receives]);
    await daemon.machines.update(id, { resources: { netReceivePps: null } });
    expect([onHost(), daemon.machines.get(id).spec.resources]).toEqual([[{}], undefined]);
    await daemon.machines.stop(id);
    await daemon.machines.update(id, { resources: receives });
    await daemon.machines.start(id);
    expect(onHost()).toEqual([receives]);
  });

  it("are as before, with all other limits, when the host refuses them", async () => {
    const former = { cpuMax: 1, netSendBps: { rate: 1000 } };
    const { id } = await daemon.machines.create({ image: "busybox", resources: former }, { start: true });
    const change = { resources: { cpuMax: 0.5, netSendBps: { rate: REFUSED_RATE } } };
    await expect(daemon.machines.update(id, change)).rejects.toThrow(refused("HOST_COMMAND_FAILED"));
    expect([onHost(), daemon.host.processes.get(id)?.limits, daemon.machines.get(id).spec.resources]).toEqual([
      [{ netSendBps: { rate: 1000 } }],
      former,
      former,
    ]);
    await expect(daemon.machines.update(id, { resources: { netSendBps: { rate: 2000 }, pidsMax: REFUSED_RATE } })).rejects.toThrow(
      refused("LIMIT_REFUSED"),
    );
    expect([onHost(), daemon.host.processes.get(id)?.limits]).toEqual([[{ netSendBps: { rate: 1000 } }], former]);
  });

  it.each(["user", "none"] as const)("are refused where nothing can hold them, with the way out: network %s", async (network) => {
    const resources = { netReceiveBps: { rate: 1000 } };
    const none = { message: expect.stringMatching(/netReceiveBps.*network default, or name one/), code: "INVALID_REQUEST" };
    await expect(daemon.machines.create({ image: "busybox", network, resources }, {})).rejects.toMatchObject(none);
    const { id } = await daemon.machines.create({ image: "busybox", name: "m", network }, { start: true });
    await expect(daemon.machines.update(id, { resources })).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      message: expect.stringContaining("isthmus network connect NETWORK m"),
    });
    await daemon.machines.update(id, { resources: { netReceiveBps: null, pidsMax: 20 } });
    expect(daemon.machines.get(id).spec.resources).toEqual({ pidsMax: 20 });
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
