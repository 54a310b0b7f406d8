import type { MachineSpec } from "@isthmus/contract";
import type { CrashPoint } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeDaemon } from "./fake-daemon.fixture.ts";
import { quiet } from "./fake-host.fixture.ts";

let daemon: FakeDaemon;
beforeEach(() => {
  daemon = new FakeDaemon();
  for (const [index, name] of ["web", "db"].entries())
    daemon.machines.networks.create({ name, subnet: `10.4${index}.0.0/24`, subnet6: `fd4${index}::/64` });
});
afterEach(() => daemon.remove());

const port = { guest: 80, host: 8080, address: "127.0.0.1", protocol: "tcp" } as const;
const run = (name: string, spec: Partial<MachineSpec> = {}) =>
  daemon.machines.create({ image: "busybox", networks: [{ network: "web" }], name, ...spec }, { start: true });
const connect = (network: string, machine: string, more = {}) => daemon.machines.networks.connect(network, { machine, ...more });
const disconnect = (network: string, machine: string) => daemon.machines.networks.disconnect(network, machine);
const tapOf = (name: string) => `tap${daemon.machines.get(name).id.slice(0, 12)}`;
const onHost = (name: string) => daemon.networks.taps.get(tapOf(name));
const inGuest = (name: string) => daemon.host.processes.get(daemon.machines.get(name).id)?.place;
const told = () =>
  daemon.store
    .events({ limit: 1000 })
    .flatMap(({ type, details }) => (/connected$/.test(type) ? [[type, details.network, details.ip]] : []));
/** What the record, the host and the guest say of where a machine is. */
const whereabouts = (name: string) => [daemon.machines.get(name).spec.networks?.map(({ network }) => network), onHost(name), inGuest(name)];
const placeOn = (subnet: string, last: number) => ({
  address: `10.${subnet}.0.${last}/24`,
  gateway: `10.${subnet}.0.1`,
  address6: `fd${subnet}::${last.toString(16)}/64`,
  gateway6: `fd${subnet}::1`,
});

describe("a machine that runs", () => {
  it("leaves its network and comes onto another, with new addresses, the old ones being free, and it is told", async () => {
    await run("a");
    expect(whereabouts("a")).toEqual([["web"], "web", "as it started"]);
    expect((await disconnect("web", "a")).spec).toMatchObject({ network: "bridge", networks: [] });
    expect(whereabouts("a")).toEqual([[], "parking", "no link"]);
    expect(daemon.machines.networks.get("web").machines).toEqual([]);
    await run("b");
    expect(daemon.machines.get("b").spec.networks?.[0]?.ip).toBe("10.40.0.2");
    const changed = await connect("db", "a", { ip: "10.41.0.9", aliases: ["store"] });
    expect(changed.spec.networks).toEqual([{ network: "db", ip: "10.41.0.9", ip6: "fd41::9", aliases: ["store"] }]);
    expect(whereabouts("a")).toEqual([["db"], "db", placeOn("41", 9)]);
    expect(told()).toEqual([
      ["machine.disconnected", "web", undefined],
      ["machine.connected", "db", "10.41.0.9"],
    ]);
  });

  it("has its published ports while it is on a network", async () => {
    await run("a", { ports: [port] });
    expect((await disconnect("web", "a")).ports).toEqual([]);
    expect([...daemon.networks.listening.keys()]).toEqual([]);
    expect((await connect("db", "a")).ports).toEqual([port]);
    expect([...daemon.networks.listening.keys()]).toEqual(["tcp 127.0.0.1:8080"]);
  });

  it("is on no network again when it cannot be put on one, and can be then", async () => {
    await run("a", { ports: [port] });
    await disconnect("web", "a");
    await run("b", { ports: [port] });
    await expect(connect("db", "a")).rejects.toMatchObject({ code: "PORT_TAKEN" });
    expect([whereabouts("a"), daemon.machines.get("a").ports]).toEqual([[[], "parking", "no link"], []]);
    await daemon.machines.stop("b");
    const process = daemon.host.processes.get(daemon.machines.get("a").id);
    if (process !== undefined) process.hung = true;
    await expect(connect("db", "a")).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
    expect([whereabouts("a"), [...daemon.networks.listening.keys()]]).toEqual([[[], "parking", "no link"], []]);
    if (process !== undefined) process.hung = false;
    await connect("db", "a");
    expect(whereabouts("a")).toEqual([["db"], "db", placeOn("41", 2)]);
  });

  it("keeps its device over a stop and a suspension, and starts on no network", async () => {
    await run("a");
    await disconnect("web", "a");
    await daemon.machines.suspend("a");
    await daemon.clock.advance(1_000);
    expect(onHost("a")).toBeUndefined();
    await daemon.machines.resume("a");
    expect(onHost("a")).toBe("parking");
    await daemon.machines.stop("a");
    await daemon.machines.start("a");
    const plan = daemon.host.processes.get(daemon.machines.get("a").id)?.plan;
    expect([plan?.network, plan?.nic]).toEqual(["bridge", { namespace: "ns-parking", tap: tapOf("a") }]);
    await connect("web", "a");
    expect(whereabouts("a")).toEqual([["web"], "web", placeOn("40", 2)]);
    await daemon.machines.remove("a", { force: true });
    await daemon.clock.advance(1_000);
    expect(daemon.networks.taps.size).toBe(0);
  });
});

describe("is refused", () => {
  it("for a machine that runs without a device on a tap, or is paused or suspended", async () => {
    const conflict = (state: string, allowed: string) =>
      expect.objectContaining({ code: "STATE_CONFLICT", details: expect.objectContaining({ state, allowed }) });
    const idle = "requested, exited, failed, refused";
    for (const network of ["none", "user"] as const) {
      await daemon.machines.create({ image: "busybox", name: network, network }, { start: true });
      await expect(connect("web", network)).rejects.toThrow(conflict("running", idle));
    }
    await run("a");
    await daemon.machines.pause("a");
    await expect(disconnect("web", "a")).rejects.toThrow(conflict("paused", `${idle}, running`));
    await daemon.machines.unpause("a");
    await daemon.machines.suspend("a");
    await expect(disconnect("web", "a")).rejects.toThrow(conflict("suspended", `${idle}, running`));
  });

  it("for a network that the machine is on already, another beside it, one that it is not on, and ports on an internal one", async () => {
    await run("a", { ports: [port] });
    daemon.machines.networks.create({ name: "deep", internal: true });
    await expect(connect("web", "a")).rejects.toThrow(/it is on network web, and runs.*network disconnect web a/);
    await expect(connect("db", "a")).rejects.toThrow(/network disconnect web a/);
    await expect(disconnect("db", "a")).rejects.toThrow(/not on network db/);
    await disconnect("web", "a");
    await expect(connect("deep", "a")).rejects.toThrow(/deep is internal/);
    expect(whereabouts("a")).toEqual([[], "parking", "no link"]);
  });
});

describe("a daemon that dies while it moves a machine", () => {
  const dies = async (point: CrashPoint, act: () => Promise<unknown>) => {
    daemon.crashAt = point;
    void act().catch(() => undefined);
    await quiet();
    expect(daemon.dead).toBe(true);
    await daemon.restart();
  };

  it.each([
    ["move.before-mark", [["web"], "web", "as it started"]],
    ["move.after-mark", [[], "parking", "no link"]],
    ["move.before-done", [[], "parking", "no link"]],
    ["move.after-done", [[], "parking", "no link"]],
  ] as const)("off a network at %s is followed by one that finishes it", async (point, expected) => {
    await run("a", { ports: [port] });
    await dies(point, () => disconnect("web", "a"));
    expect([whereabouts("a"), daemon.networks.listening.size]).toEqual([expected, expected[1] === "web" ? 1 : 0]);
    expect(told().length).toBe(expected[1] === "web" ? 0 : 1);
  });

  it.each([
    ["move.before-mark", [[], "parking", "no link"]],
    ["move.after-mark", [["db"], "db", placeOn("41", 2)]],
    ["move.before-done", [["db"], "db", placeOn("41", 2)]],
    ["move.after-done", [["db"], "db", placeOn("41", 2)]],
  ] as const)("onto a network at %s is followed by one that finishes it", async (point, expected) => {
    await run("a", { ports: [port] });
    await disconnect("web", "a");
    await dies(point, () => connect("db", "a"));
    expect([whereabouts("a"), daemon.networks.listening.size]).toEqual([expected, expected[1] === "db" ? 1 : 0]);
    expect(told().length).toBe(expected[1] === "db" ? 2 : 1);
  });
});
