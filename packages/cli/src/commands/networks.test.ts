import type { Network } from "@isthmus/contract";
import { describe, expect, it, vi } from "vitest";
import { type Answer, failure, fakeDaemon, machine, type Seen } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

// The names of a busy host are right however late they come.
vi.mock("../config.ts", async (original) => ({ ...(await original<object>()), COMPLETION_DEADLINE_MS: 30_000 }));

const web: Network = {
  name: "web",
  subnet: "10.40.0.0/24",
  subnet6: "fd40::/64",
  gateway: "10.40.0.1",
  gateway6: "fd40::1",
  internal: true,
  labels: {},
  createdAt: new Date(Date.now() - 3_600_000).toISOString(),
  namespace: "isthmus-00000000",
  machines: [
    { machineId: "00112233445566aa", machineName: "api", ip: "10.40.0.2", ip6: "fd40::2", aliases: [], holds: true },
    { machineId: "00112233445566bb", machineName: "old", ip: "10.40.0.3", ip6: "fd40::3", aliases: ["db"], holds: false },
  ],
};

const world = () =>
  fakeDaemon(({ method, path, body }: Seen): Answer | undefined => {
    if (path === "/networks/web/connect" || path === "/networks/web/disconnect") return { json: machine({ name: "api" }) };
    if (path === "/networks/prune") return { json: { networks: [web] } };
    if (path === "/networks/web") return { json: web };
    if (path === "/networks") return { json: method === "GET" ? { networks: [web] } : { ...web, ...JSON.parse(body) } };
    return path.startsWith("/networks") ? failure("NETWORK_NOT_FOUND", "there is no network x", 404) : undefined;
  });
const sent = (daemon: { seen: readonly Seen[] }) => JSON.parse(daemon.seen.at(-1)?.body ?? "");

describe("network create", () => {
  it("prints the name and hands on what was asked for", async () => {
    await using daemon = await world();
    const flags = ["--subnet", "10.1.0.0/24", "--subnet", "fd01::/64", "--internal", "-l", "a=b", "-l", "c"];
    expect((await cli(["network", "create", "mine", ...flags], daemon)).out).toBe("mine\n");
    expect(sent(daemon)).toEqual({ name: "mine", subnet: "10.1.0.0/24", subnet6: "fd01::/64", internal: true, labels: { a: "b", c: "" } });
    expect(JSON.parse((await cli(["network", "create", "mine", "--json"], daemon)).out)).toMatchObject({
      name: "mine",
      gateway: "10.40.0.1",
    });
    expect(sent(daemon)).toEqual({ name: "mine" });
  });

  it.each([
    [["create"], /missing required argument 'new-network'/],
    [["create", "a", "b"], /too many arguments/],
    [["create", "a", "--subnet"], /--subnet/],
    [["create", "a", "--subnet", "10.0.0.0/24", "--subnet", "10.1.0.0/24"], /--subnet.*10\.1\.0\.0\/24/],
    [["create", "a", "--subnet", "fd01::/64", "--subnet", "fd02::/64"], /--subnet.*fd02::\/64/],
    [["create", "a", "-l", "=b"], /--label/],
    [["create", "a", "--driver", "bridge"], /unknown option '--driver'/],
    [["connect", "web"], /missing required argument 'machine'/],
    [["connect", "web", "api", "--ip"], /--ip/],
    [["disconnect", "web"], /missing required argument 'machine'/],
    [["disconnect", "web", "api", "--force"], /unknown option '--force'/],
    [["inspect"], /missing required argument 'network'/],
    [["rm"], /missing required argument 'network'/],
    [["ls", "web"], /too many arguments/],
    [["prune", "web"], /too many arguments/],
    [["make"], /unknown command 'make'/],
  ])("refuses %j", async (words, message) => {
    await using daemon = await world();
    const { code, out, err } = await cli(["network", ...words], daemon);
    expect([code, out, err]).toEqual([2, "", expect.stringMatching(message)]);
    expect(daemon.seen).toEqual([]);
  });

  it("says why this daemon makes none", async () => {
    await using daemon = await fakeDaemon(() =>
      failure("NETWORK_UNAVAILABLE", "this daemon cannot make networks: it does not run as root", 422),
    );
    const { code, err } = await cli(["network", "create", "web"], daemon);
    expect([code, err]).toEqual([1, expect.stringContaining("it does not run as root")]);
  });
});

describe("network ls, inspect, rm and prune", () => {
  it("say what they found and did", async () => {
    await using daemon = await world();
    expect((await cli(["network", "ls"], daemon)).out).toMatch(
      /^NAME +SUBNET +SUBNET6 +MACHINES +CREATED\nweb \(internal\) +10\.40\.0\.0\/24 +fd40::\/64 +api\*, old +1 hour ago\n$/,
    );
    expect((await cli(["network", "ls", "-q"], daemon)).out).toBe("web\n");
    expect(JSON.parse((await cli(["network", "ls", "--json"], daemon)).out)).toEqual([web]);
    const shown = await cli(["network", "inspect", "web", "x"], daemon);
    expect([shown.code, JSON.parse(shown.out), shown.err]).toEqual([1, [web], expect.stringContaining("there is no network x")]);
    expect((await cli(["network", "inspect", "web", "--json"], daemon)).out).toBe(`${JSON.stringify([web])}\n`);
    expect((await cli(["network", "rm", "x", "web"], daemon)).out).toBe("web\n");
    expect(daemon.seen.at(-1)).toMatchObject({ method: "DELETE", path: "/networks/web" });
    expect((await cli(["network", "prune"], daemon)).out).toBe("web\n");
    expect(JSON.parse((await cli(["network", "prune", "--json"], daemon)).out)).toEqual([web]);
  });

  it("complete names", async () => {
    await using daemon = await world();
    for (const name of ["rm", "inspect", "connect", "disconnect"])
      expect([name, (await cli(["__complete", "--", "network", name, "w"], daemon)).out]).toEqual([name, expect.stringContaining("web")]);
  });
});

describe("network connect and disconnect", () => {
  it("hand on the machine and its wishes, and say nothing without --json", async () => {
    await using daemon = await world();
    const flags = ["--ip", "10.40.0.7", "--ip6", "fd40::7", "--alias", "db", "--alias", "sql"];
    expect(await cli(["network", "connect", ...flags, "web", "api"], daemon)).toEqual({ code: 0, out: "", err: "" });
    expect(daemon.seen.at(-1)).toMatchObject({ method: "POST", path: "/networks/web/connect" });
    expect(sent(daemon)).toEqual({ machine: "api", ip: "10.40.0.7", ip6: "fd40::7", aliases: ["db", "sql"] });
    expect(JSON.parse((await cli(["network", "connect", "web", "api", "--json"], daemon)).out)).toMatchObject({ name: "api" });
    expect(sent(daemon)).toEqual({ machine: "api" });
    expect(await cli(["network", "disconnect", "web", "api"], daemon)).toEqual({ code: 0, out: "", err: "" });
    expect(daemon.seen.at(-1)).toMatchObject({ method: "POST", path: "/networks/web/disconnect" });
    expect(JSON.parse((await cli(["network", "disconnect", "web", "api", "--json"], daemon)).out)).toMatchObject({ name: "api" });
    expect(sent(daemon)).toEqual({ machine: "api" });
  });
});
