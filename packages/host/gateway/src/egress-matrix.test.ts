import { type EgressDenial, parseEgress } from "@isthmus/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayClient } from "./client.ts";
import { NetWorld, places } from "./testing/net-world.ts";

type Family = "v4" | "v6";
/** `due`: whether it is to be open; what is not is waited for only briefly. */
type Column = readonly [name: string, attempt: (world: NetWorld, machine: string, family: Family, due: boolean) => Promise<boolean>];

const BRIEFLY_MS = 3_000;

const query = Buffer.from("0001010000010000000000000673657276657207 6578616d706c650000010001".replaceAll(" ", ""), "hex").toString(
  "base64",
);

const to =
  (place: keyof (typeof places)["v4"], kind: "tcp" | "udp" | "tls" | "dns-udp" | "dns-tcp", port: number) =>
  async (world: NetWorld, machine: string, family: Family, due: boolean): Promise<boolean> => {
    const address = places[family][place];
    const more = kind === "tls" ? { name: "server.example", ca: world.ca } : kind === "tcp" ? {} : { data: query };
    const wait = due ? {} : { silenceMs: BRIEFLY_MS };
    return (await world.try(machine, { kind, address, port, ...more, ...wait })).result === "open";
  };

/** What is tried, each over IPv4 and IPv6, of servers that answer. */
const columns: readonly Column[] = [
  ["http", to("server", "tcp", 80)],
  ["postgres", to("server", "tcp", 5432)],
  ["tls", to("server", "tls", 443)],
  ["another server", to("other", "tcp", 80)],
  ["udp", to("server", "udp", 4000)],
  ["quic", to("server", "udp", 443)],
  ["dns over tls", to("server", "tcp", 853)],
  ["another dns", to("dns", "dns-udp", 53)],
  ["another dns by tcp", to("dns", "dns-tcp", 53)],
  ["metadata", to("metadata", "tcp", 80)],
  ["the host", to("host", "tcp", 80)],
  ["a private address", to("private", "tcp", 80)],
  [
    "ping",
    async (world, machine, family, due) =>
      (await world.raw(machine, "ping", places[family].server, ...(due ? [] : [String(BRIEFLY_MS / 1000)]))) === "open",
  ],
];

/** Machines by policy, and what is open to them: a letter for each column, the same for both families. */
const rows: readonly (readonly [name: string, egress: readonly string[], open: string])[] = [
  //                                                                            hptaUqdnNmHpi
  ["open", ["open"], "ooooooooo..oo"],
  ["openmeta", ["open", "169.254.169.254:80", "[fd00:ec2::254]:80", "10.99.0.1:80", "[fd99::1]:80"], "ooooooooooooo"],
  ["openwide", ["open", "0.0.0.0/0/any", "::/0/any", "169.0.0.0/8", "10.99.0.0/24"], "ooooooooo..oo"],
  ["none", ["none"], "............."],
  ["addresses", ["203.0.113.10:80", "203.0.113.10:4000/udp", "[2001:db8::10]:80", "[2001:db8::10]:4000/udp"], "o...o........"],
  ["blocks", ["203.0.113.0/24/any", "2001:db8::/64/any"], "ooooooo.....o"],
  ["everywhere", ["0.0.0.0/0:80", "::/0:80"].map((text) => text.replace("::/0:", "[::]/0:")), "o..o.......o."],
  ["everything", ["0.0.0.0/0/any", "::/0/any"], "ooooooooo..oo"],
  ["ping", ["203.0.113.10/icmp", "2001:db8::10/icmp"], "............o"],
  ["dnsonly", ["198.51.100.53:53/udp", "[2001:db8:53::53]:53/udp"], ".......o....."],
  ["name", ["server.example:80,443,5432"], "ooo.........."],
  ["nametls", ["server.example:443"], "..o.........."],
  ["nameany", ["server.example/any"], "ooo.o.......o"],
  ["nameudp", ["server.example:443,4000/udp"], "....oo......."],
  ["names", ["*.example:80"], "............."],
  ["othername", ["other.example:443"], "............."],
];

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)("what machines reach", () => {
  let world: NetWorld;
  let client: GatewayClient;
  const denials: EgressDenial[] = [];
  const listen = async (to: GatewayClient): Promise<void> => {
    for await (const denial of to.denials()) denials.push(denial);
  };

  beforeAll(async () => {
    world = await NetWorld.make();
    for (const [name, egress] of rows) await world.machine(name, parseEgress(egress));
    await world.gateway();
    client = await GatewayClient.attach(world.socket);
    void listen(client);
    await client.apply(world.state());
    const own = (name: string, v4: string, v6: string) => ({
      [name]: [
        { type: "A" as const, name, ttl: 300, data: v4 },
        { type: "AAAA" as const, name, ttl: 300, data: v6 },
      ],
    });
    await world.zone({
      ...own("server.example", places.v4.server, places.v6.server),
      ...own("other.example", places.v4.other, places.v6.other),
    });
    // Over UDP a probe asks again, and what is refused is counted.
    for (const [name] of rows) for (const type of ["A", "AAAA"] as const) await world.dns(name, "server.example", type, "tcp");
  });
  afterAll(async () => {
    client?.close();
    await world?.end();
  });

  it.each(rows)("%s: %j", async (name, _egress, open) => {
    if (name === "names") {
      // A wildcard opens the names below it, and each only once it was asked for.
      expect((await world.dns(name, "server.example", "A")).answers).toHaveLength(1);
      expect(await to("server", "tcp", 80)(world, name, "v4", true)).toBe(true);
      return;
    }
    for (const family of ["v4", "v6"] as const) {
      const found = [];
      for (const [index, [, attempt]] of columns.entries())
        found.push((await attempt(world, name, family, open[index] === "o")) ? "o" : ".");
      const told = found.map((letter, index) => `${columns[index]?.[0]} ${letter}`);
      expect(told, family).toEqual([...open].map((letter, index) => `${columns[index]?.[0]} ${letter}`));
    }
  });

  it("passes protocols other than TCP, UDP and ICMP only where the policy is open", async () => {
    const first = 200;
    for (const [index, [name]] of rows.entries())
      for (const family of ["v4", "v6"] as const) await world.raw(name, "protocol", String(first + index), places[family].server);
    const passed = async () => {
      const seen = await world.set(world.out, "inet seen protocols");
      return rows.filter((_, index) => new RegExp(`\\b${first + index}\\b`).test(seen)).map(([name]) => name);
    };
    await expect.poll(passed).toEqual(["open", "openmeta", "openwide"]);
  });

  it("tells of each refusal with machine, address, port, protocol and count", async () => {
    const none = world.machines.find(({ name }) => name === "none");
    for (let count = 0; count < 3; count += 1) await world.try("none", { kind: "tcp", address: places.v6.other, port: 9000 });
    const of = () => denials.filter(({ machine }) => machine === none?.id);
    const at = (address: string, port: number | undefined, protocol: string) =>
      of().filter(
        (denial) => denial.address === address && denial.port === port && denial.protocol === protocol && denial.kind === "address",
      );
    const counted = (some: readonly EgressDenial[]) => some.reduce((sum, { count }) => sum + count, 0);
    for (const family of ["v4", "v6"] as const) {
      await expect.poll(() => at(places[family].server, 80, "tcp"), { message: family }).toHaveLength(1);
      await expect.poll(() => at(places[family].metadata, 80, "tcp"), { message: family }).toHaveLength(1);
      const echo = family === "v4" ? "icmp" : "icmpv6";
      await expect.poll(() => at(places[family].server, undefined, echo), { message: family }).toHaveLength(1);
    }
    await expect.poll(() => counted(at(places.v4.server, undefined, "203"))).toBeGreaterThan(0);
    await expect.poll(() => counted(at(places.v6.other, 9000, "tcp"))).toBe(3);
    const names = () => of().filter(({ kind }) => kind === "dns");
    await expect.poll(() => counted(names())).toBe(2);
    expect(new Set(names().map(({ name }) => name))).toEqual(new Set(["server.example"]));
    // What is allowed is not told.
    const open = world.machines.find(({ name }) => name === "openmeta");
    expect(denials.filter(({ machine }) => machine === open?.id)).toEqual([]);
  });
});
