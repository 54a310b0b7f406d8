import { describe, expect, it } from "vitest";
import { failure, fakeDaemon } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

const used = { machines: 3, vcpus: 6, memoryBytes: 2 ** 29, diskBytes: 2 ** 30, ports: 1, queued: 2 };
const quota = { tenant: "team-a", weight: 2.5, machines: 10, memoryBytes: 2 ** 33, updatedAt: "2026-01-01T00:00:00Z", used };

describe("quota set", () => {
  it("says what the flags say, and no more", async () => {
    await using daemon = await fakeDaemon(() => ({ json: quota }));
    const flags = [
      "--weight",
      "2.5",
      "--machines",
      "10",
      "--vcpus",
      "20",
      "--memory",
      "8g",
      "--disk",
      "1t",
      "--ports",
      "0",
      "--queued",
      "5",
    ];
    const { code, out } = await cli(["quota", "set", "team-a", ...flags], { socketPath: daemon.socketPath });
    expect(code).toBe(0);
    expect(out).toMatch(/^TENANT +WEIGHT +MACHINES[\s\S]*\nteam-a +2\.5 +3\/10 +6 +512 MiB\/8\.0 GiB +1\.0 GiB +1 +2\n$/);
    expect(daemon.seen.at(-1)).toMatchObject({ method: "PUT", path: "/quotas/team-a" });
    expect(JSON.parse(daemon.seen.at(-1)?.body ?? "")).toEqual({
      weight: 2.5,
      machines: 10,
      vcpus: 20,
      memoryBytes: 2 ** 33,
      diskBytes: 2 ** 40,
      ports: 0,
      queued: 5,
    });
    expect(JSON.parse((await cli(["quota", "set", "team-a", "--json"], { socketPath: daemon.socketPath })).out)).toEqual(quota);
    expect(JSON.parse(daemon.seen.at(-1)?.body ?? "")).toEqual({});
  });

  it.each([
    [["--weight", "0"], /--weight.*from 0\.001/],
    [["--weight", "much"], /--weight/],
    [["--machines", "-1"], /--machines/],
    [["--memory", "8q"], /--memory.*size such as/],
  ])("refuses %j", async (flags, message) => {
    const { code, err } = await cli(["quota", "set", "team-a", ...flags]);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe("quota ls, inspect and rm", () => {
  it("show quotas, and each tenant's error", async () => {
    await using daemon = await fakeDaemon(({ method, path }) => {
      if (path === "/quotas") return { json: { quotas: [quota, { tenant: "b", weight: 1, used }] } };
      if (path === "/quotas/team-a") return { json: quota };
      return method === "DELETE" ? failure("QUOTA_NOT_FOUND", "tenant c has no quota of its own", 404) : undefined;
    });
    const at = { socketPath: daemon.socketPath };
    expect((await cli(["quota", "ls"], at)).out).toMatch(/\nteam-a +2\.5[\s\S]*\nb +1 +3 +6/);
    expect(JSON.parse((await cli(["quota", "ls", "--json"], at)).out)).toHaveLength(2);
    expect(JSON.parse((await cli(["quota", "inspect", "team-a"], at)).out)).toEqual([quota]);
    const { code, out, err } = await cli(["quota", "rm", "team-a", "c"], at);
    expect([code, out]).toEqual([1, "team-a\n"]);
    expect(err).toContain("tenant c has no quota of its own");
  });
});
