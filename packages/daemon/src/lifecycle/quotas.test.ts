import { MIB, type Mount } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

async function withDaemon(use: (daemon: FakeDaemon) => Promise<void>): Promise<void> {
  const daemon = new FakeDaemon();
  try {
    await use(daemon);
  } finally {
    daemon.remove();
  }
}

const ports = [{ guest: 80, host: 0, address: "127.0.0.1", protocol: "tcp" as const }];

describe("quotas", () => {
  it("outlive the daemon, and are told with what a tenant has", () =>
    withDaemon(async (daemon) => {
      daemon.machines.quotas.set("team-a", { machines: 5, weight: 2 });
      await daemon.machines.create({ image: "busybox", name: "a", tenant: "team-a", cpus: 2, ports }, { start: true });
      await daemon.machines.create({ image: "busybox", name: "b", tenant: "team-a" }, { start: false });
      await daemon.machines.create({ image: "busybox", name: "c", diskBytes: 64 * MIB }, { start: true });
      await daemon.restart();
      const { used, ...quota } = daemon.machines.quotas.get("team-a");
      expect(quota).toMatchObject({ tenant: "team-a", weight: 2, machines: 5 });
      expect(used).toMatchObject({ machines: 1, vcpus: 2, ports: 1, queued: 0 });
      expect(daemon.machines.quotas.list().map(({ tenant, updatedAt }) => [tenant, updatedAt !== undefined])).toEqual([
        ["default", false],
        ["team-a", true],
      ]);
      expect(daemon.machines.quotas.get("default").used).toMatchObject({ machines: 1, diskBytes: 64 * MIB });
      await daemon.machines.stop("a");
      expect(daemon.machines.quotas.get("team-a").used).toMatchObject({ machines: 0, vcpus: 0, memoryBytes: 0, ports: 0 });
      daemon.machines.quotas.remove("team-a");
      expect(() => daemon.machines.quotas.remove("team-a")).toThrow(expect.objectContaining({ code: "QUOTA_NOT_FOUND" }));
      expect(daemon.store.events({ limit: 1000 }).map(({ type }) => type)).toEqual(expect.arrayContaining(["quota.set", "quota.removed"]));
    }));

  it("of disk hold for volumes and machines together, over a restart and for two that ask at once", () =>
    withDaemon(async (daemon) => {
      const { quotas, volumes } = daemon.machines;
      quotas.set("a", { diskBytes: 200 * MIB });
      const volume = (name: string, mib: number) => volumes.create({ name, sizeBytes: mib * MIB, tenant: "a" });
      await expect(volume("large", 201)).rejects.toMatchObject({ code: "NEVER_FITS" });
      const outcomes = await Promise.allSettled([volume("one", 120), volume("two", 120)]);
      expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
      expect(outcomes[1]).toMatchObject({
        reason: { code: "QUOTA_REACHED", message: "limit disk-per-tenant a is reached: 120 MiB needed, 120 MiB of 200 MiB used" },
      });
      await volumes.create({ name: "hosts", sizeBytes: 1000 * MIB });
      await daemon.restart();
      const run = (mounts: readonly Mount[], maxWaitMs = 0) =>
        daemon.machines.create({ image: "busybox", tenant: "a", diskBytes: 64 * MIB, mounts: [...mounts], maxWaitMs }, { start: true });
      const machine = await run([{ type: "volume", source: "one", path: "/data" }]);
      expect(daemon.machines.quotas.get("a").used.diskBytes).toBe(184 * MIB);
      await expect(run([])).rejects.toMatchObject({ code: "QUOTA_REACHED" });
      await daemon.machines.remove(machine.id, { force: true });
      await expect(run([{ type: "volume", path: "/data", sizeBytes: 64 * MIB }])).rejects.toMatchObject({ code: "QUOTA_REACHED" });
      expect((await daemon.machines.volumes.list({ tenant: "a" })).map(({ name }) => name)).toEqual(["one"]);
      await daemon.machines.volumes.create({ name: "more", sizeBytes: 64 * MIB, tenant: "a" });
      const waiting = run([], 60_000);
      await quiet();
      expect(daemon.machines.quotas.get("a").used).toMatchObject({ machines: 0, queued: 1 });
      await daemon.machines.volumes.remove("more");
      expect((await waiting).state).toBe("running");
    }));

  it("are told of tenants that have volumes and nothing else", () =>
    withDaemon(async (daemon) => {
      await daemon.machines.volumes.create({ name: "data", sizeBytes: 64 * MIB, tenant: "a" });
      expect(daemon.machines.quotas.list()).toMatchObject([{ tenant: "a", used: { diskBytes: 64 * MIB } }]);
      await daemon.machines.volumes.remove("data");
      expect(daemon.machines.quotas.list()).toEqual([]);
    }));

  it("are of tenants with a name", () =>
    withDaemon(async (daemon) => {
      for (const tenant of ["", "-a", "a b", "x".repeat(64), "../x"]) {
        expect(() => daemon.machines.quotas.set(tenant, {})).toThrow(expect.objectContaining({ code: "INVALID_NAME" }));
        await expect(daemon.machines.create({ image: "busybox", tenant })).rejects.toMatchObject({ code: "INVALID_NAME" });
      }
    }));
});
