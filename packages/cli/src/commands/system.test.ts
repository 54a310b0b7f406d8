import { describe, expect, it } from "vitest";
import { runCli } from "../cli.ts";
import { type Answer, fakeDaemon, image, machine, type Seen } from "../testing/fake-daemon.ts";
import { cli, testWorld } from "../testing/test-world.ts";

const old = machine({ id: "aa00000000000001", name: "old", state: "exited", finishedAt: "2026-01-01T00:00:00.000Z" });
const again = machine({ id: "aa00000000000002", name: "again", state: "exited", restartsAt: "2026-01-01T00:00:00.000Z" });
const late = machine({ id: "aa00000000000003", name: "late", state: "failed", finishedAt: new Date().toISOString() });
const sizes = [old, again, late].map(({ id, name, state }, index) => ({ id, name, state, sizeBytes: 1024 * (index + 1) }));
const kinds = [{ kind: "machines", count: 3, active: 0, sizeBytes: 6144, reclaimableBytes: 6144 }];

function answer({ method, path }: Seen): Answer | undefined {
  if (path === "/host/storage") return { json: { kinds, machines: sizes } };
  if (path === "/machines" && method === "GET") return { json: { machines: [old, again, late] } };
  if (method === "DELETE") return { status: 204 };
  if (path === "/volumes/prune") return { json: { volumes: [{ name: "v", usedBytes: 10 }] } };
  if (path === "/templates/prune") return { json: { templates: [{ key: "k", sizeBytes: 100 }] } };
  if (path === "/images/prune") return { json: { deleted: [image()], freedBytes: 1000 } };
  return undefined;
}

describe("system df", () => {
  it("shows what takes room", async () => {
    await using daemon = await fakeDaemon(answer);
    expect((await cli(["system", "df"], daemon)).out).toMatch(
      /KIND +COUNT +ACTIVE +SIZE +RECLAIMABLE\nmachines +3 +0 +6\.0 KiB +6\.0 KiB\n/,
    );
    expect((await cli(["system", "df", "-v"], daemon)).out).toMatch(/aa00000000000001 +old +exited +1\.0 KiB/);
    expect(JSON.parse((await cli(["system", "df", "--json"], daemon)).out).kinds).toEqual(kinds);
  });
});

describe("system prune", () => {
  it("removes what has ended and does not come back, and says what that freed", async () => {
    await using daemon = await fakeDaemon(answer);
    const { code, out } = await cli(["system", "prune", "-f"], daemon);
    expect([code, out]).toEqual([0, "machine old\nmachine late\nimage busybox:latest\ntemplate k\nFreed: 5.1 KiB\n"]);
    expect(
      daemon.seen
        .filter(({ method }) => method === "DELETE")
        .map(({ path }) => path.slice(-1))
        .toSorted(),
    ).toEqual(["1", "3"]);
    expect(daemon.seen.some(({ path }) => path === "/volumes/prune")).toBe(false);
    const all = JSON.parse((await cli(["system", "prune", "-af", "--volumes", "--json"], daemon)).out);
    expect(all).toMatchObject({ volumes: ["v"], freedBytes: 1024 + 3072 + 10 + 100 + 1000 });
    expect(daemon.seen.findLast(({ path }) => path === "/images/prune")?.query).toMatchObject({ all: "true" });
  });

  it("with a filter touches nothing but the machines that it names", async () => {
    await using daemon = await fakeDaemon(answer);
    expect((await cli(["system", "prune", "-f", "--filter", "until=24h"], daemon)).out).toBe("machine old\nFreed: 1.0 KiB\n");
    expect(daemon.seen.some(({ path }) => path.endsWith("/prune"))).toBe(false);
  });

  it("asks, and takes no answer for no", async () => {
    await using daemon = await fakeDaemon(answer);
    const { code, err } = await cli(["system", "prune"], daemon);
    expect([code, daemon.seen]).toEqual([2, []]);
    expect(err).toContain("use --force");
    for (const [said, gone] of [
      ["n", 0],
      ["", 0],
      ["y", 2],
    ] as const) {
      const world = testWorld({ ...daemon, terminal: { columns: 80, rows: 24 } });
      world.stdin.end(`${said}\n`);
      expect(await runCli(["system", "prune"], world)).toBe(0);
      expect(world.err()).toContain("This removes machines that have ended, images without a name. Go on? [y/N]");
      expect(daemon.seen.filter(({ method }) => method === "DELETE")).toHaveLength(gone);
    }
    expect((await cli(["system", "prune", "-f", "--filter", "until=soon"], daemon)).code).toBe(2);
  });

  it.each([
    ["Ctrl-C", "\u0003", 130],
    ["Ctrl-D", "\u0004", 0],
  ])("takes %s for no", async (_name, key, code) => {
    await using daemon = await fakeDaemon(answer);
    const world = testWorld({ ...daemon, terminal: { columns: 80, rows: 24 } });
    world.stdin.write(key);
    expect([await runCli(["system", "prune"], world), daemon.seen]).toEqual([code, []]);
    expect(world.err()).not.toContain("internal error");
  });
});
