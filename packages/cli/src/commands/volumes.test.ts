import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Volume } from "@isthmus/contract";
import { expect, it, vi } from "vitest";
import { type Answer, failure, fakeDaemon, type Seen } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

// The names of a busy host are right however late they come.
vi.mock("../config.ts", async (original) => ({ ...(await original<object>()), COMPLETION_DEADLINE_MS: 30_000 }));

const data: Volume = {
  name: "data",
  sizeBytes: 10 * 1024 ** 3,
  usedBytes: 300_000,
  anonymous: false,
  labels: {},
  createdAt: new Date(Date.now() - 3_600_000).toISOString(),
  usedBy: [
    { machineId: "00112233445566aa", machineName: "web", path: "/data", readOnly: false, holds: true },
    { machineId: "00112233445566bb", machineName: "old", path: "/data", readOnly: true, holds: false },
  ],
};

const team = { ...data, name: "team", tenant: "team-a", usedBy: [] };

const world = () =>
  fakeDaemon(({ method, path, body }: Seen): Answer | undefined => {
    if (path === "/volumes/data/archive" && method === "GET") return { bytes: Buffer.from("tar") };
    if (path.startsWith("/volumes/data")) return { json: data };
    if (path === "/volumes/copy/archive") return { status: 201, json: { ...data, name: "copy" } };
    if (path === "/volumes/prune") return { json: { volumes: [data] } };
    if (path === "/volumes") return { json: method === "GET" ? { volumes: [data, team] } : { ...data, ...JSON.parse(body) } };
    return path.startsWith("/volumes") ? failure("VOLUME_NOT_FOUND", "no volume x", 404) : undefined;
  });

it("volume create prints the name and hands on what was asked for", async () => {
  await using daemon = await world();
  expect((await cli(["volume", "create", "mine", "--size", "20g", "-l", "a=b"], daemon)).out).toBe("mine\n");
  expect(JSON.parse(daemon.seen.at(-1)?.body ?? "")).toEqual({ name: "mine", sizeBytes: 20 * 1024 ** 3, labels: { a: "b" } });
  await cli(["volume", "create", "mine", "--tenant", "team-a"], daemon);
  expect(JSON.parse(daemon.seen.at(-1)?.body ?? "")).toMatchObject({ name: "mine", tenant: "team-a" });
  expect((await cli(["volume", "create", "--size", "1k"], daemon)).code).toBe(2);
});

it("volume ls is a table that marks who has a volume now", async () => {
  await using daemon = await world();
  expect((await cli(["volume", "ls"], daemon)).out).toBe(
    "NAME   TENANT       SIZE   ON DISK   USED BY          CREATED\n" +
      "data   -        10.0 GiB   293 KiB   web*, old (ro)   1 hour ago\n" +
      "team   team-a   10.0 GiB   293 KiB                    1 hour ago\n",
  );
  expect((await cli(["volume", "ls", "-q"], daemon)).out).toBe("data\nteam\n");
  expect(JSON.parse((await cli(["volume", "ls", "--json"], daemon)).out)).toEqual([data, team]);
});

it("volume inspect, rm and prune say what they found and did", async () => {
  await using daemon = await world();
  const shown = await cli(["volume", "inspect", "data", "x"], daemon);
  expect([shown.code, JSON.parse(shown.out)]).toEqual([1, [data]]);
  expect((await cli(["volume", "rm", "data"], daemon)).out).toBe("data\n");
  expect((await cli(["volume", "prune", "--all"], daemon)).out).toBe("data\nFreed: 293 KiB\n");
  expect(daemon.seen.at(-1)?.query).toEqual({ all: "true" });
});

it("volume export and import move archives", async () => {
  await using daemon = await world();
  expect((await cli(["volume", "export", "data"], daemon)).out).toBe("tar");
  const folder = mkdtempSync(join(tmpdir(), "isthmus-volume-"));
  try {
    const file = join(folder, "data.tar");
    expect((await cli(["volume", "export", "data", "-o", file, "--json"], daemon)).out).toBe(
      `${JSON.stringify({ volume: "data", output: file })}\n`,
    );
    expect(readFileSync(file, "utf8")).toBe("tar");
    expect((await cli(["volume", "import", "copy", file, "--size", "1g", "--tenant", "team-a"], daemon)).out).toBe("copy\n");
    expect(daemon.seen.at(-1)).toMatchObject({ method: "PUT", query: { sizeBytes: String(1024 ** 3), tenant: "team-a" }, body: "tar" });
    expect((await cli(["volume", "export", "x", "-o", join(folder, "no")], daemon)).code).toBe(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("names of volumes are completed", async () => {
  await using daemon = await world();
  expect((await cli(["__complete", "--", "volume", "rm", "d"], daemon)).out).toContain("data");
});
