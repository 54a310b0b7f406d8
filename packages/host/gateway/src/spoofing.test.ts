import { parseEgress } from "@isthmus/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayClient } from "./client.ts";
import { linkLocal } from "./rules/bridge.ts";
import { type Addressed, arpReply, neighbourAdvert, plainFrame, routerAdvert, tagged, udp } from "./testing/frames.ts";
import { NetWorld, places } from "./testing/net-world.ts";

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)("frames with another sender", () => {
  let world: NetWorld;
  let client: GatewayClient;
  let bridge: string;

  beforeAll(async () => {
    world = await NetWorld.make();
    await world.machine("evil", parseEgress(["open"]));
    await world.machine("victim", parseEgress(["open"]));
    await world.machine("four", parseEgress(["open"]), { v6: undefined });
    bridge = /([0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(await world.in(world.net, "cat", "/sys/class/net/br0/address"))?.[0] ?? "";
  });
  afterAll(async () => {
    client?.close();
    await world?.end();
  });

  const [evil, victim] = [
    { mac: "02:69:73:00:00:0a", v4: "10.89.0.10", v6: "fd89::a" },
    { mac: "02:69:73:00:00:0b", v4: "10.89.0.11", v6: "fd89::b" },
  ] as const;
  const send = (frame: string, from = "evil") => world.raw(from, "frames", frame);
  /** What the victim takes for the gateway's MAC address. */
  const gatewayOf = async (machine: string): Promise<string> => {
    const text = await world.in(world.space(machine), "ip", "neigh", "show", "dev", "eth0");
    return text
      .split("\n")
      .filter((line) => /^(10\.89\.0\.1|fd89::1) /.test(line))
      .map((line) => /lladdr (\S+)/.exec(line)?.[1] ?? "")
      .join(" ");
  };
  const meet = async (machine: string) => {
    for (const address of ["10.89.0.1", "fd89::1"]) await world.raw(machine, "ping", address);
  };
  const poison = [arpReply({ mac: evil.mac, v4: "10.89.0.1" }, victim), neighbourAdvert(evil.mac, "fd89::1", "fd89::1", victim)] as const;

  it("would lead the victim's packets to the attacker, were there no gateway", async () => {
    // Linux does not believe another answer of ARP within a second of the first.
    await world.in(world.space("victim"), "sysctl", "-q", "-w", "net.ipv4.neigh.eth0.locktime=0");
    await meet("victim");
    await expect.poll(() => gatewayOf("victim")).toBe(`${bridge} ${bridge}`);
    for (const frame of poison) await send(frame);
    await expect.poll(() => gatewayOf("victim")).toBe(`${evil.mac} ${evil.mac}`);
    await send(routerAdvert(evil.mac, linkLocal(evil.mac)));
    const routes = () => world.in(world.space("victim"), "ip", "-6", "route", "show", "default");
    await expect.poll(routes).toContain(linkLocal(evil.mac));
    await world.in(world.space("victim"), "ip", "-6", "route", "flush", "proto", "ra");
    for (const family of ["-4", "-6"]) await world.in(world.space("victim"), "ip", family, "neigh", "flush", "dev", "eth0");
  });

  const seen = () => world.set(world.out, "inet seen ports");

  it("passes the machine's own", async () => {
    await world.gateway();
    client = await GatewayClient.attach(world.socket);
    await client.apply(world.state());
    const to = { mac: bridge, v4: places.v4.server, v6: places.v6.server };
    await send(udp(evil, to, 7001, 4));
    await send(udp(evil, to, 7002, 6));
    await expect.poll(seen).toMatch(/\b7001\b/);
    await expect.poll(seen).toMatch(/\b7002\b/);
  });

  const to = (): Addressed => ({ mac: bridge, v4: places.v4.server, v6: places.v6.server });
  const cases: readonly (readonly [string, string, number | undefined, () => string])[] = [
    ["mac", "the victim's MAC address", 7101, () => udp({ ...evil, mac: victim.mac }, to(), 7101, 4)],
    ["mac", "a MAC address of nobody, over IPv6", 7102, () => udp({ ...evil, mac: "02:00:00:00:00:99" }, to(), 7102, 6)],
    ["ipv4", "the victim's address", 7103, () => udp({ ...evil, v4: victim.v4 }, to(), 7103, 4)],
    ["ipv4", "an address of nobody", 7104, () => udp({ ...evil, v4: "10.89.0.200" }, to(), 7104, 4)],
    ["ipv4", "an address of the internet", 7105, () => udp({ ...evil, v4: places.v4.other }, to(), 7105, 4)],
    ["ipv4", "the gateway's address", 7106, () => udp({ ...evil, v4: "10.89.0.1" }, to(), 7106, 4)],
    ["ipv6", "the victim's address of IPv6", 7107, () => udp({ ...evil, v6: victim.v6 }, to(), 7107, 6)],
    ["ipv6", "an address of IPv6 of nobody", 7108, () => udp({ ...evil, v6: "fd89::99" }, to(), 7108, 6)],
    ["ipv6", "another link-local address", 7109, () => udp({ ...evil, v6: "fe80::1" }, to(), 7109, 6)],
    ["arp", "the gateway's address in ARP", undefined, () => poison[0]],
    ["arp", "the victim's MAC address inside ARP", undefined, () => arpReply({ mac: victim.mac, v4: evil.v4 }, victim, evil.mac)],
    ["ndp", "the gateway's address in a neighbour advertisement", undefined, () => neighbourAdvert(evil.mac, evil.v6, "fd89::1", victim)],
    [
      "ndp",
      "the gateway's address as the sender of a neighbour advertisement",
      undefined,
      () => neighbourAdvert(evil.mac, "fd89::1", evil.v6, victim),
    ],
    ["ndp", "a router advertisement", undefined, () => routerAdvert(evil.mac, linkLocal(evil.mac))],
    ["other", "a tag of a VLAN", 7110, () => tagged(udp(evil, to(), 7110, 4))],
    ["other", "another protocol", undefined, () => plainFrame(evil.mac, victim.mac, 0x88cc)],
  ];

  it.each(cases)("stops and tells: %s, %s", async (kind, _, port, frame) => {
    await meet("victim");
    await send(frame());
    const told = await world.told(client, (denial) => denial.kind === "spoofed");
    expect(told).toEqual([{ machine: world.machines[0]?.id, kind: "spoofed", name: kind, count: 1 }]);
    expect(await gatewayOf("victim")).toBe(`${bridge} ${bridge}`);
    if (port !== undefined) expect(await seen()).not.toMatch(new RegExp(`\\b${port}\\b`));
    expect(await world.in(world.space("victim"), "ip", "-6", "route", "show", "default")).not.toContain("fe80");
  });

  it("lets a machine without IPv6 speak none of it", async () => {
    await send(udp({ mac: "02:69:73:00:00:0c", v4: "10.89.0.12", v6: linkLocal("02:69:73:00:00:0c") }, to(), 7120, 6), "four");
    await send(udp({ mac: "02:69:73:00:00:0c", v4: "10.89.0.12", v6: "fd89::c" }, to(), 7121, 6), "four");
    await send(udp({ mac: "02:69:73:00:00:0c", v4: "10.89.0.12", v6: "fd89::c" }, to(), 7122, 4), "four");
    await expect.poll(seen).toMatch(/\b7122\b/);
    expect(await seen()).not.toMatch(/\b712[01]\b/);
  });

  it("lets nothing pass of a port that is no machine's", async () => {
    await client.apply(world.state({ machines: world.machines.slice(1) }));
    await send(udp(evil, to(), 7130, 4));
    expect(await seen()).not.toMatch(/\b7130\b/);
    expect(await world.raw("evil", "ping", victim.v4, "1")).toBe("refused");
    await client.apply(world.state());
    await send(udp(evil, to(), 7131, 4));
    await expect.poll(seen).toMatch(/\b7131\b/);
    expect(await world.raw("evil", "ping", victim.v4)).toBe("open");
    expect(await world.raw("evil", "ping", victim.v6)).toBe("open");
  });
});
