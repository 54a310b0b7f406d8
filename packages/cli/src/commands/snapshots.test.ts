import { limits, type Machine, type Snapshot } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { type Answer, type FakeDaemon, failure, fakeDaemon, machine, type Seen, snapshot } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

const posts = (daemon: FakeDaemon) =>
  daemon.seen
    .filter(({ method }) => method === "POST")
    .map(({ path, body }) => ({ path, ...(body === "" ? {} : { body: JSON.parse(body) }) }));

const by = (items: readonly (Machine | Snapshot)[], ref: string) => items.filter(({ id, name }) => name === ref || id.startsWith(ref));

/** A daemon with these machines and snapshots, which answers as the real one does to references. */
function world(machines: readonly Machine[], snapshots: readonly Snapshot[]): Promise<FakeDaemon> {
  return fakeDaemon(({ method, path, body }: Seen): Answer | undefined => {
    const [, kind, ref = "", action] = path.split("/").map(decodeURIComponent);
    const found = by(kind === "machines" ? machines : snapshots, ref);
    if (path === "/snapshots") return { json: method === "GET" ? { snapshots } : snapshot(JSON.parse(body)) };
    if (found.length > 1 && kind === "machines") return failure("MACHINE_AMBIGUOUS", `${ref} begins the ids of several machines`, 409);
    if (found.length !== 1)
      return failure(kind === "machines" ? "MACHINE_NOT_FOUND" : "SNAPSHOT_NOT_FOUND", `no ${kind?.slice(0, -1)} ${ref}`, 404);
    if (action !== "clone") return { json: found[0] };
    const { count = 1, name = "made-up" } = JSON.parse(body);
    return {
      status: 201,
      json: { machines: Array.from({ length: count }, (_, at) => machine({ id: `c${at}`, name: `${name}-${at + 1}` })) },
    };
  });
}

const web = machine();
const before = snapshot();

describe("snapshot", () => {
  it("create prints the id, with a remark on what it cost", async () => {
    await using daemon = await world([web], []);
    const { code, out, err } = await cli(["snapshot", "create", "web", "--name", "before"], daemon);
    expect([code, out, err]).toEqual([0, `${before.id}\n`, "snapshot before: 28.6 MiB on disk; web stood still for 38 ms\n"]);
    expect(posts(daemon)).toEqual([{ path: "/snapshots", body: { machine: "web", name: "before" } }]);
    const asJson = await cli(["snapshot", "create", "web", "--json"], daemon);
    expect(asJson.err).toBe("");
    expect(JSON.parse(asJson.out)).toMatchObject({ id: before.id });
    expect(posts(daemon).at(-1)).toEqual({ path: "/snapshots", body: { machine: "web" } });
  });

  it("ls is a table that says what is usable", async () => {
    const odd = snapshot({ id: "ffee", name: "old", unusable: "it is of another kernel\u001b[2J", pausedMs: 1200 });
    await using daemon = await world([], [before, odd]);
    expect((await cli(["snapshot", "ls"], daemon)).out).toBe(
      [
        "NAME     ID             MACHINE   IMAGE         SIZE   PAUSED   CREATED      STATUS",
        "before   aabbccddeeff   web       busybox   28.6 MiB    38 ms   1 hour ago   usable",
        "old      ffee           web       busybox   28.6 MiB    1.2 s   1 hour ago   unusable: it is of another kernel\\x1b[2J",
        "",
      ].join("\n"),
    );
    expect((await cli(["snapshot", "ls", "-q"], daemon)).out).toBe("aabbccddeeff\nffee\n");
    expect((await cli(["snapshot", "ls", "-q", "--no-trunc"], daemon)).out).toBe(`${before.id}\nffee\n`);
    expect(JSON.parse((await cli(["snapshots", "--json"], daemon)).out)).toEqual([before, odd]);
  });

  it("inspect shows an array, rm takes several, and one that is missing keeps none from its turn", async () => {
    await using daemon = await world([], [before]);
    expect(JSON.parse((await cli(["snapshot", "inspect", "before"], daemon)).out)).toEqual([before]);
    for (const command of ["inspect", "rm"]) {
      const { code, out, err } = await cli(["snapshot", command, "nope", "before"], daemon);
      expect([code, err]).toEqual([1, expect.stringContaining("no snapshot nope")]);
      expect(out).toContain("before");
    }
    expect(daemon.seen.filter(({ method }) => method === "DELETE").map(({ path }) => path)).toEqual([
      "/snapshots/nope",
      "/snapshots/before",
    ]);
    expect(JSON.parse((await cli(["snapshot", "rm", "before", "--json"], daemon)).out)).toEqual([before]);
  });
});

describe("clone", () => {
  it("of a machine or a snapshot prints ids, as run -d does", async () => {
    await using daemon = await world([web], [before]);
    expect(await cli(["clone", "web"], daemon)).toEqual({ code: 0, out: "c0\n", err: "" });
    const flags = ["-n", "2", "--name", "x", "-p", "8080:80", "-p", "53/udp", "--rm"];
    expect(await cli(["clone", "before", ...flags], daemon)).toEqual({ code: 0, out: "c0\nc1\n", err: "" });
    const asJson = await cli(["clone", "before", "--count=2", "--json"], daemon);
    expect(JSON.parse(asJson.out).map(({ name }: Machine) => name)).toEqual(["made-up-1", "made-up-2"]);
    const at = { address: "127.0.0.1" };
    const ports = [
      { ...at, guest: 80, host: 8080, protocol: "tcp" },
      { ...at, guest: 53, host: 0, protocol: "udp" },
    ];
    expect(posts(daemon)).toEqual([
      { path: `/machines/${web.id}/clone`, body: {} },
      { path: `/snapshots/${before.id}/clone`, body: { count: 2, name: "x", ports, autoRemove: true } },
      { path: `/snapshots/${before.id}/clone`, body: { count: 2 } },
    ]);
  });

  it("asks which is meant when a machine and a snapshot are called the same", async () => {
    const same = snapshot({ name: "web" });
    await using daemon = await world([web], [same]);
    const { code, out, err } = await cli(["clone", "web"], daemon);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toBe("isthmus: both a machine and a snapshot are called web\n  → Write machine:web or snapshot:web.\n");
    await cli(["clone", "machine:web"], daemon);
    await cli(["clone", "snapshot:web"], daemon);
    expect(posts(daemon).map(({ path }) => path)).toEqual(["/machines/web/clone", "/snapshots/web/clone"]);
  });

  it("takes a whole name or id before the beginning of another's id", async () => {
    const short = snapshot({ id: "1234567812345678", name: "0011" });
    const twin = machine({ id: "00112233ffffffff", name: "twin" });
    await using daemon = await world([web, twin], [short, before]);
    await cli(["clone", "0011"], daemon);
    await cli(["clone", before.id], daemon);
    await cli(["clone", "aabb"], daemon);
    expect(posts(daemon).map(({ path }) => path)).toEqual([short, before, before].map(({ id }) => `/snapshots/${id}/clone`));
    expect((await cli(["clone", "001122"], daemon)).err).toMatch(/begins the ids of several machines/);
  });

  it("names both lists when there is neither", async () => {
    await using daemon = await world([web], [before]);
    const { code, err } = await cli(["clone", "nope"], daemon);
    expect(code).toBe(1);
    expect(err).toBe("isthmus: no machine and no snapshot nope\n  → List what there is with: isthmus ps -a, isthmus snapshot ls\n");
    expect((await cli(["clone", "machine:before"], daemon)).err).toMatch(/no machine before/);
    expect((await cli(["clone", "snapshot:web"], daemon)).err).toMatch(/no snapshot web/);
  });

  it.each([
    ["INVALID_NAME", 400, 2, ["--name", "a b"]],
    ["INVALID_REQUEST", 400, 2, ["-n", "2", "-p", "8080:80"]],
    ["INVALID_REQUEST", 400, 2, ["-p", "8080:80", "-p", "8080:81"]],
    ["NAME_TAKEN", 409, 1, ["-n", "2", "--name", "x"]],
    ["PORT_TAKEN", 409, 1, ["-p", "8080:80"]],
    ["SNAPSHOT_UNUSABLE", 422, 1, []],
  ])("hands on the daemon's %s", async (errorCode, status, exitCode, flags) => {
    await using daemon = await fakeDaemon(({ method }) => (method === "GET" ? { json: web } : failure(errorCode, "the reason", status)));
    const { code, out, err } = await cli(["clone", "machine:web", ...flags, "--json"], daemon);
    expect([code, out]).toEqual([exitCode, ""]);
    expect(JSON.parse(err)).toMatchObject({ error: { code: errorCode, status } });
  });

  it("does not take another failure for a missing name", async () => {
    await using daemon = await fakeDaemon(({ path }) =>
      path.startsWith("/machines") ? { json: web } : failure("SHUTTING_DOWN", "stopping", 503),
    );
    expect((await cli(["clone", "web"], daemon)).err).toMatch(/stopping/);
    expect(posts(daemon)).toEqual([]);
  });
});

describe("suspend and resume", () => {
  it("take several machines and print them", async () => {
    await using daemon = await fakeDaemon(({ path }) =>
      path.includes("bad") ? failure("STATE_CONFLICT", "cannot do that", 409) : { json: machine({ state: "suspended" }) },
    );
    for (const command of ["suspend", "resume"]) {
      expect(await cli([command, "a", "bad", "b"], daemon)).toMatchObject({
        code: 1,
        out: "a\nb\n",
        err: expect.stringContaining("cannot do that"),
      });
      expect(
        posts(daemon)
          .slice(-3)
          .map(({ path }) => path),
      ).toEqual(["a", "bad", "b"].map((ref) => `/machines/${ref}/${command}`));
      expect(JSON.parse((await cli([command, "a", "--json"], daemon)).out)).toMatchObject([{ state: "suspended" }]);
    }
  });

  it("show in ps, with the time", async () => {
    const suspendedAt = new Date(Date.now() - 300_000).toISOString();
    await using daemon = await fakeDaemon(() => ({ json: { machines: [machine({ state: "suspended", suspendedAt })] } }));
    expect((await cli(["ps"], daemon)).out).toMatch(/ suspended 5 minutes +1 hour ago\n$/);
    expect(JSON.parse((await cli(["inspect", "web"], daemon)).out)[0].machines[0]).toMatchObject({ suspendedAt });
  });
});

describe("wrong usage of them", () => {
  const usage: readonly (readonly [string[], RegExp])[] = [
    [["snapshot", "make", "web"], /unknown command 'make'/],
    [["snapshot", "creat", "web"], /unknown command 'creat' \(Did you mean create\?\)/],
    [["snapshot", "create"], /missing required argument 'machine'/],
    [["snapshot", "create", "web", "before"], /too many arguments/],
    [["snapshot", "create", "web", "--name"], /argument missing/],
    [["snapshot", "rm"], /missing required argument 'snapshot'/],
    [["snapshot", "inspect"], /missing required argument 'snapshot'/],
    [["snapshot", "ls", "web"], /too many arguments/],
    [["clone"], /missing required argument 'snapshot\|machine'/],
    [["clone", "web", "2"], /too many arguments/],
    [["clone", "web", "-n", "0"], /--count is not valid: write a whole number from 1 to 500/],
    [["clone", "web", "-n", String(limits.clonesPerRequest + 1)], /--count is not valid: write a whole number from 1 to 500/],
    [["clone", "web", "-n", "many"], /--count is not valid/],
    [["clone", "web", "-n", "1.5"], /--count is not valid/],
    [["clone", "web", "-n", "-1"], /--count is not valid/],
    [["clone", "web", "-n"], /argument missing/],
    [["clone", "web", "-p", "http"], /--publish is not valid/],
    [["clone", "web", "-p", "0.0.0:80:80"], /must be an IPv4 address/],
    [["clone", "web", "-p", "80:70000"], /ports go from 1 to 65535/],
    [["clone", "machine:"], /write a name or an id/],
    [["clone", "snapshot:"], /write a name or an id/],
    [["clone", ""], /write a name or an id/],
    [["suspend"], /missing required argument 'machine'/],
    [["resume"], /missing required argument 'machine'/],
    [["suspend", "web", "--now"], /unknown option '--now'/],
  ];
  it.each(usage)("%j exits with 2", async (argv, message) => {
    const result = await cli(argv);
    expect(result.err).toMatch(message);
    expect([result.code, result.out]).toEqual([2, ""]);
  });
});
