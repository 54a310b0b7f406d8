import { MIB } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";

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

  it("are of tenants with a name", () =>
    withDaemon(async (daemon) => {
      for (const tenant of ["", "-a", "a b", "x".repeat(64), "../x"]) {
        expect(() => daemon.machines.quotas.set(tenant, {})).toThrow(expect.objectContaining({ code: "INVALID_NAME" }));
        await expect(daemon.machines.create({ image: "busybox", tenant })).rejects.toMatchObject({ code: "INVALID_NAME" });
      }
    }));
});
