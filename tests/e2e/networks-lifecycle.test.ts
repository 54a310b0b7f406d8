import { readdirSync } from "node:fs";
import process from "node:process";
import { type Event, hasCode } from "@isthmus/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type World } from "../world.ts";
import { HostNamespace, SILENCE_S } from "./host-namespace.fixture.ts";
import { HOST, ip, OUT } from "./two-namespaces.fixture.ts";

let host: HostNamespace;
let world: World;

beforeAll(async () => {
  host = await HostNamespace.make();
  world = host.world;
  await Promise.all([host.serve("out", 80, "internet"), host.serve("out", 81, "more"), host.serve("host", 82, "host")]);
  await world.ok(["network", "create", "web", "--subnet", "10.40.0.0/24", "--subnet", "fd40::/64"]);
  await world.ok(["network", "create", "deep", "--internal"]);
  const start = (name: string, network: string) => host.runServer(name, "--network", network);
  await start("api", "web");
  await Promise.all([start("client", "web"), start("deep-a", "deep"), start("deep-b", "deep")]);
});
afterAll(() => host?.[Symbol.asyncDispose]());

const addressesOf = async (ref: string) => {
  const [{ ip: v4 = "", ip6 = "" } = {}] = (await host.machine(ref)).spec.networks ?? [];
  return [v4, ip6];
};
const deviceOf = (ref: string) => world.ok(["exec", ref, "cat", "/sys/class/net/eth0/address"]);
const answers = (addresses: readonly string[], word: string) => Object.fromEntries(addresses.map((address) => [address, word]));
const addressesIn = (holders: readonly (readonly [string, string])[]) => holders.map(([address]) => address);
const namespaces = () => readdirSync("/run/netns").filter((name) => name.startsWith("isthmus-"));
/** none of a namespace of somebody else's that goes meanwhile */
const devicesIn = (namespace: string): string => {
  try {
    return ip(`-n ${namespace} -o link`);
  } catch (error) {
    if (namespaces().includes(namespace)) throw error;
    return "";
  }
};
const gateway = (namespace: string): number | undefined => {
  const inside = ip(`netns pids ${namespace}`).split("\n").map(Number);
  return world.processes().find(({ pid, command }) => inside.includes(pid) && command.includes("gateway.sock"))?.pid;
};

it("reach those of their network and no others, over IPv4 and IPv6", async () => {
  const names = ["api", "client", "deep-a", "deep-b"];
  const holders: [string, string][] = [];
  for (const name of names) for (const address of await addressesOf(name)) holders.push([address, name]);
  expect(new Set(addressesIn(holders)).size).toBe(8);
  for (const from of names) {
    const near = holders.filter(([, to]) => to.startsWith("deep") === from.startsWith("deep"));
    const far = addressesIn(holders.filter((holder) => !near.includes(holder)));
    const found = await Promise.all([host.fetchAll(from, addressesIn(near)), host.fetchAll(from, far, SILENCE_S)]);
    expect([from, ...found]).toEqual([from, Object.fromEntries(near), answers(far, "")]);
  }
});

it("go out through the host over IPv4 and IPv6, except from an internal network, and to the host only by a policy that names it", async () => {
  const out = { [OUT.v4]: "internet", [OUT.v6]: "internet" };
  expect(await host.fetchAll("client", [OUT.v4, OUT.v6])).toEqual(out);
  expect(await host.fetchAll("deep-a", [OUT.v4, OUT.v6], SILENCE_S)).toEqual({ [OUT.v4]: "", [OUT.v6]: "" });
  for (const address of [HOST.v4, HOST.v6])
    expect([address, (await host.fetch("client", address, 82, SILENCE_S)).text]).toEqual([address, ""]);
  const { namespace } = await host.network("deep");
  expect(ip(`-n ${namespace} -o link`)).not.toContain("up0");
  await expect.poll(() => host.lookUp("deep-a", "deep-b")).toEqual((await addressesOf("deep-b")).sort());
});

it("keep their addresses while they are suspended", async () => {
  const before = [await addressesOf("api"), await deviceOf("api")];
  await world.ok(["suspend", "api"]);
  expect((await host.network("web")).machines.find(({ machineName }) => machineName === "api")?.holds).toBe(false);
  await host.run("taker", "--network", "web", "busybox", "sleep", "1000");
  await world.ok(["resume", "api"]);
  expect([await addressesOf("api"), await deviceOf("api")]).toEqual(before);
  for (const address of await addressesOf("api")) expect([address, (await host.fetch("taker", address)).text]).toEqual([address, "api"]);
  expect((await host.fetch("api", OUT.v6)).text).toBe("internet");
});

it("have addresses and a device of their own as clones", async () => {
  await world.ok(["clone", "--name", "twin", "api"]);
  const addresses = await addressesOf("twin");
  expect(addresses.filter(Boolean)).toHaveLength(2);
  expect((await addressesOf("api")).filter((one) => addresses.includes(one))).toEqual([]);
  expect(await deviceOf("twin")).not.toBe(await deviceOf("api"));
  await expect.poll(() => host.lookUp("client", "twin")).toEqual([...addresses].sort());
  expect(Object.values(await host.fetchAll("client", [...addresses, ...(await addressesOf("api"))]))).toEqual(["api", "api", "api", "api"]);
  expect(await host.fetchAll("twin", await addressesOf("client"))).toEqual(
    Object.fromEntries((await addressesOf("client")).map((address) => [address, "client"])),
  );
  expect((await host.fetch("twin", OUT.v4)).text).toBe("internet");
});

it("are on the network `default` when they have an allow-list and name none, also over a suspension that takes the network away", async () => {
  await host.run(
    "guarded",
    "--egress",
    `${OUT.v4}:80`,
    "--egress",
    `[${OUT.v6}]:80`,
    "--egress",
    `${HOST.v4}:82`,
    "busybox",
    "sleep",
    "1000",
  );
  const { spec } = await host.machine("guarded");
  expect([spec.network, spec.networks?.map(({ network }) => network)]).toEqual(["bridge", ["default"]]);
  const { namespace } = await host.network("default");
  const obeys = async () => {
    expect((await host.fetch("guarded", HOST.v4, 82)).text).toBe("host");
    // A network that was just made has its IPv6 neighbours to find first.
    await eventually("both ways out", async () => {
      const found = await host.fetchAll("guarded", [OUT.v4, OUT.v6]);
      return (found[OUT.v4] === "internet" && found[OUT.v6] === "internet") || undefined;
    });
    expect((await host.fetch("guarded", OUT.v4, 81, SILENCE_S)).text).toBe("");
    expect((await host.fetch("client", OUT.v4, 81)).text).toBe("more");
  };
  await obeys();
  await world.ok(["suspend", "guarded"]);
  await eventually("the network goes with its last machine", async () => (ip("netns list").includes(namespace) ? undefined : true));
  await world.ok(["resume", "guarded"]);
  await obeys();
});

it("leave a network and come onto another while they run, also when the daemon dies in between", async () => {
  const { networks, machines } = world.isthmus;
  const addresses = async (ref: string) => (await machines.get(ref)).spec.networks?.flatMap(({ ip: v4 = "", ip6 = "" }) => [v4, ip6]) ?? [];
  const published = () => host.inHost("sh", "-c", "curl -s -m 20 http://127.0.0.1:8088/ || true").trim();
  await networks.create({ name: "east", subnet: "10.41.0.0/24", subnet6: "fd41::/64" });
  await host.runServer("mover", "--network", "web", "-p", "127.0.0.1:8088:80");
  await networks.disconnect("web", "taker");
  await networks.connect("east", { machine: "taker" });
  const { id, pid } = await machines.get("mover");
  const [old, east, api] = await Promise.all([addresses("mover"), addresses("taker"), addresses("api")]);
  expect([await host.fetchAll("client", old), published()]).toEqual([answers(old, "mover"), "mover"]);

  const off = await networks.disconnect("web", "mover");
  expect([off.state, off.spec.networks, off.ports, published()]).toEqual(["running", [], [], ""]);
  expect(await world.ok(["exec", "mover", "cat", "/sys/class/net/eth0/carrier"])).toBe("0");
  expect([await host.fetchAll("client", old, SILENCE_S), await host.lookUp("client", "mover")]).toEqual([answers(old, ""), [""]]);
  const tap = `tap${id.slice(0, 12)}`;
  const parking = namespaces().find((name) => devicesIn(name).includes(tap)) ?? "";
  expect(parking).not.toBe((await networks.get("web")).namespace);

  await world.killDaemon();
  expect((await world.cli(["daemon", "start"], { env: { CRASH_AT: "move.after-mark" } })).code).toBe(0);
  const onto = { machine: "mover", ip: "10.41.0.20", aliases: ["moved"] };
  expect(await networks.connect("east", onto).then(() => "done", hasCode)).toBe(true);
  await world.ok(["daemon", "start"]);
  await eventually("the next daemon finishes it", async () => ((await machines.get("mover")).ports.length === 1 ? true : undefined));
  const now = ["10.41.0.20", "fd41::14"];
  expect([await addresses("mover"), (await machines.get("mover")).pid, published()]).toEqual([now, pid, "mover"]);
  await expect.poll(() => host.lookUp("taker", "moved")).toEqual(now);
  await expect.poll(() => host.lookUp("mover", "taker")).toEqual([...east].sort());
  expect(await host.fetchAll("taker", now)).toEqual(answers(now, "mover"));
  expect(await host.fetchAll("mover", [OUT.v4, OUT.v6])).toEqual(answers([OUT.v4, OUT.v6], "internet"));
  expect(await host.fetchAll("mover", api, SILENCE_S)).toEqual(answers(api, ""));

  await networks.disconnect("east", "mover");
  await networks.connect("east", { machine: "mover", ip: "10.41.0.20", ip6: "fd41::99" });
  expect(await host.fetchAll("taker", ["10.41.0.20", "fd41::99"])).toEqual(answers(["10.41.0.20", "fd41::99"], "mover"));

  await machines.remove("taker", { force: true });
  await networks.disconnect("east", "mover");
  expect(devicesIn(parking)).toContain(tap);
  await networks.remove("east");
  await machines.remove("mover", { force: true });
  await eventually("its device goes with it", async () => (namespaces().includes(parking) ? undefined : true));
});

it("go on when their gateway is killed, and another takes its place", async () => {
  const { namespace } = await host.network("web");
  const killed = gateway(namespace);
  expect(killed).toBeDefined();
  process.kill(killed ?? 0, "SIGKILL");
  const [address = ""] = await addressesOf("api");
  expect((await host.fetch("client", address)).text).toBe("api");
  await eventually("a new gateway", async () => (gateway(namespace) ?? killed) !== killed || undefined);
  await eventually("names", async () => (await host.lookUp("client", "api")).includes(address) || undefined);
  expect(await host.fetchAll("client", [OUT.v4, OUT.v6])).toEqual({ [OUT.v4]: "internet", [OUT.v6]: "internet" });
});

it("reach nothing by `--egress none` on a user-mode network, and are reached", async () => {
  const user = (name: string, ...words: string[]) => host.runServer(name, "--network", "user", ...words);
  await Promise.all([user("free"), user("closed", "--egress", "none", "-p", "127.0.0.1:0:80")]);
  expect((await host.fetch("free", OUT.v4)).text).toBe("internet");
  expect((await host.fetch("closed", OUT.v4, 80, SILENCE_S)).text).toBe("");
  const [{ host: port = 0 } = {}] = (await host.machine("closed")).ports;
  expect(host.inHost("curl", "-s", `http://127.0.0.1:${port}/`)).toBe("closed\n");
});

it("were never told of as sending under another's address", async () => {
  const denials: Event[] = [];
  for await (const event of world.isthmus.events()) if (event.type === "egress.denied") denials.push(event);
  expect(denials.some(({ machineName }) => machineName === "guarded")).toBe(true);
  expect(denials.filter(({ details }) => details.kind === "spoofed")).toEqual([]);
});
