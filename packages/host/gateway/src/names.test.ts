import { parseEgress } from "@isthmus/contract";
import { type Answer, decode, encode, type Packet } from "dns-packet";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayClient } from "./client.ts";
import { NetWorld, places } from "./testing/net-world.ts";
import type { Attempt } from "./testing/probe.ts";

const isRoot = process.getuid?.() === 0;
const a = (name: string, data: string, ttl = 300): Answer => ({ type: "A", name, ttl, data });
const aaaa = (name: string, data: string): Answer => ({ type: "AAAA", name, ttl: 300, data });
const alias = (name: string, data: string): Answer => ({ type: "CNAME", name, ttl: 300, data });

/** Aliases one after the other, the last with an address. */
function chainOf(first: string, length: number): Record<string, Answer[]> {
  const names = [first, ...Array.from({ length }, (_, index) => `step${index}.${first}.test`)];
  return Object.fromEntries(
    names.map((name, index) => [name, [index === length ? a(name, places.v4.server) : alias(name, names[index + 1] ?? "")]]),
  );
}

const zone: Record<string, Answer[]> = {
  "server.example": [a("server.example", places.v4.server), aaaa("server.example", places.v6.server)],
  "sub.wild.example": [a("sub.wild.example", places.v4.other)],
  "deep.sub.wild.example": [a("deep.sub.wild.example", places.v4.other)],
  "wild.example": [a("wild.example", places.v4.other)],
  "private.wild.example": [a("private.wild.example", places.v4.private), aaaa("private.wild.example", places.v6.private)],
  "private.example": [a("private.example", places.v4.private)],
  "rebind.example": [
    a("rebind.example", places.v4.metadata),
    a("rebind.example", places.v4.host),
    a("rebind.example", "127.0.0.1"),
    a("rebind.example", "0.0.0.0"),
    a("rebind.example", "10.89.0.1"),
    aaaa("rebind.example", places.v6.metadata),
    aaaa("rebind.example", places.v6.host),
    aaaa("rebind.example", "::1"),
    aaaa("rebind.example", "::ffff:a9fe:a9fe"),
    aaaa("rebind.example", "64:ff9b::a9fe:a9fe"),
    aaaa("rebind.example", "2002:a9fe:a9fe::1"),
  ],
  "mixed.example": [a("mixed.example", places.v4.metadata), a("mixed.example", places.v4.server)],
  "big.example": Array.from({ length: 60 }, (_, index) => a("big.example", `203.0.113.${index + 100}`)),
  "short.example": [a("short.example", places.v4.other, 1)],
  "long.wild.example": [a("long.wild.example", places.v4.dns, 600)],
  "brief.wild.example": [a("brief.wild.example", places.v4.dns, 1)],
  "text.example": [{ type: "TXT", name: "text.example", ttl: 60, data: ["hello"] }],
  "foreign.example": [alias("foreign.example", "other.test"), a("unasked.test", places.v4.other)],
  "other.test": [a("other.test", places.v4.server)],
  ...chainOf("alias.example", 5),
  ...chainOf("endless.example", 17),
  "loop.example": [alias("loop.example", "loop2.example")],
  "loop2.example": [alias("loop2.example", "loop.example")],
};

const addresses = (packet: { answers?: Answer[] }): string[] =>
  (packet.answers ?? []).flatMap((record) => (record.type === "A" || record.type === "AAAA" ? [record.data] : []));

describe.skipIf(!isRoot)("names", () => {
  let world: NetWorld;
  let client: GatewayClient;

  beforeAll(async () => {
    world = await NetWorld.make();
    const rules = [
      "*.wild.example",
      "short.example:22,443",
      ...Object.keys(zone).filter((name) => name.split(".").length === 2 && name.endsWith(".example") && name !== "wild.example"),
    ];
    await world.machine("web", parseEgress(["open"]), { aliases: ["www", "Shop.Front"] });
    await world.machine("old", parseEgress(["open"]), { v6: undefined });
    await world.machine("some", parseEgress(rules));
    await world.machine("twin", parseEgress(rules));
    await world.gateway("--tie-min-ms", "1000", "--tie-grace-ms", "0");
    client = await GatewayClient.attach(world.socket);
    await client.apply(world.state());
    await world.zone(zone);
  });
  afterAll(async () => {
    client?.close();
    await world?.end();
  });
  const reach = async (machine: string, address: string, port: number): Promise<boolean> =>
    (await world.try(machine, { kind: "tcp", address, port })).result === "open";

  describe("of the network", () => {
    it.each([
      ["web", "A", ["10.89.0.10"]],
      ["WeB", "A", ["10.89.0.10"]],
      ["web.", "A", ["10.89.0.10"]],
      ["web.lan", "A", ["10.89.0.10"]],
      ["web.LAN", "AAAA", ["fd89::a"]],
      ["www", "A", ["10.89.0.10"]],
      ["shop.front", "AAAA", ["fd89::a"]],
      ["shop.front.lan", "A", ["10.89.0.10"]],
      ["old", "A", ["10.89.0.11"]],
    ] as const)("finds %s by %s, over UDP and TCP, IPv4 and IPv6", async (name, type, expected) => {
      for (const [over, server] of [
        ["udp", "10.89.0.1"],
        ["tcp", "10.89.0.1"],
        ["udp", "fd89::1"],
        ["tcp", "fd89::1"],
      ] as const) {
        const answer = await world.dns("some", name, type, over, server);
        expect([answer.rcode, addresses(answer)]).toEqual(["NOERROR", expected]);
        expect(answer.questions?.[0]?.name).toBe(name.replace(/\.$/, ""));
      }
    });

    it("answers empty what a machine has not, and not that there is no machine", async () => {
      for (const [name, type] of [
        ["old", "AAAA"],
        ["web", "TXT"],
        ["web", "MX"],
      ] as const) {
        const answer = await world.dns("some", name, type);
        expect([answer.rcode, answer.answers]).toEqual(["NOERROR", []]);
      }
    });

    it("knows the names of addresses", async () => {
      const names = async (name: string) => {
        const { rcode, answers = [] } = await world.dns("web", name, "PTR");
        return [rcode, answers.map((record) => (record.type === "PTR" ? record.data : ""))];
      };
      expect(await names("10.0.89.10.in-addr.arpa")).toEqual(["NOERROR", ["web.lan", "web"]]);
      expect(await names(`a.${"0.".repeat(23)}0.0.0.0.9.8.d.f.ip6.arpa`)).toEqual(["NOERROR", ["web.lan", "web"]]);
      expect(await names("99.0.89.10.in-addr.arpa")).toEqual(["NXDOMAIN", []]);
      expect(await world.asked()).toEqual([]);
    });

    it("asks nobody else about names without a dot, or below its own", async () => {
      await world.asked();
      for (const name of ["nobody", "nobody.lan", "a.b.lan"]) expect((await world.dns("web", name)).rcode).toBe("NXDOMAIN");
      expect(await world.asked()).toEqual([]);
    });
  });

  describe("of others, where the policy is open", () => {
    it("passes answers on as they are", async () => {
      expect(addresses(await world.dns("web", "Server.Example"))).toEqual([places.v4.server]);
      expect((await world.dns("web", "text.example", "TXT")).answers?.[0]).toMatchObject({ type: "TXT", data: [Buffer.from("hello")] });
      expect((await world.dns("web", "missing.example")).rcode).toBe("NXDOMAIN");
      expect((await world.dns("web", "server.example", "MX")).rcode).toBe("NOERROR");
      expect(addresses(await world.dns("web", "rebind.example"))).toContain(places.v4.metadata);
    });

    it("leaves addresses of IPv6 out for a machine that has none, and keeps that a name does not exist", async () => {
      expect(addresses(await world.dns("old", "server.example", "AAAA"))).toEqual([]);
      expect((await world.dns("old", "server.example", "AAAA")).rcode).toBe("NOERROR");
      expect((await world.dns("old", "missing.example", "AAAA")).rcode).toBe("NXDOMAIN");
    });
  });

  it.each(["web", "some"])("says over UDP that an answer is too large, and gives it over TCP (%s)", async (machine) => {
    const cut = await world.dns(machine, "big.example");
    expect([cut.flag_tc, cut.answers]).toEqual([true, []]);
    expect(addresses(await world.dns(machine, "big.example", "A", "tcp"))).toHaveLength(60);
  });

  it("asks the next server when one does not answer, and says that it failed when none does", async () => {
    const dead = "203.0.113.99";
    await client.apply(world.state({ upstreams: [dead, places.v4.dns] }));
    // over TCP, where a probe asks only once: what it asks again may come to the server in a later test
    expect(addresses(await world.dns("web", "server.example", "A", "tcp"))).toEqual([places.v4.server]);
    await client.apply(world.state({ upstreams: [dead] }));
    for (const machine of ["web", "some"]) expect((await world.dnsOnce(machine, "server.example", "A", "tcp")).rcode).toBe("SERVFAIL");
    await client.apply(world.state({ uplink: undefined }));
    expect((await world.dns("web", "server.example")).rcode).toBe("NXDOMAIN");
    expect(await reach("web", places.v4.server, 80)).toBe(false);
    expect(addresses(await world.dns("web", "old"))).toEqual(["10.89.0.11"]);
    await client.apply(world.state());
  });

  describe("of others, where they are named", () => {
    it("denies what is not named, asks nobody about it, and tells of it", async () => {
      await world.asked();
      // over TCP, where a probe asks only once
      for (const name of [
        "wild.example",
        "evil.test",
        "server.example.evil.test",
        "xwild.example",
        "secret-data.evil.test",
        "8.8.8.8.in-addr.arpa",
      ])
        expect((await world.dns("some", name, "A", "tcp")).rcode, name).toBe("NXDOMAIN");
      expect(await world.asked()).toEqual([]);
      const told = await world.told(client, ({ name }) => name === "8.8.8.8.in-addr.arpa");
      expect(told.filter(({ kind }) => kind === "dns")).toContainEqual({
        machine: world.machines[2]?.id,
        kind: "dns",
        name: "evil.test",
        count: 1,
      });
    });

    it("opens names below a wildcard, at any depth", async () => {
      expect(await reach("some", places.v4.other, 80)).toBe(false);
      expect(addresses(await world.dns("some", "Deep.Sub.Wild.Example"))).toEqual([places.v4.other]);
      expect(await reach("some", places.v4.other, 80)).toBe(true);
    });

    it("opens nothing for another machine of the same policy that did not ask", async () => {
      await world.dns("some", "server.example");
      expect(await reach("some", places.v4.server, 8080)).toBe(true);
      expect(await reach("twin", places.v4.server, 8080)).toBe(false);
    });

    it("follows aliases, but only so far, and not in circles", async () => {
      const answer = await world.dns("twin", "alias.example");
      expect(answer.answers?.map(({ type }) => type)).toEqual(["CNAME", "CNAME", "CNAME", "CNAME", "CNAME", "A"]);
      expect(await reach("twin", places.v4.server, 80)).toBe(true);
      for (const name of ["endless.example", "loop.example"]) expect(addresses(await world.dns("twin", name))).toEqual([]);
      // What an alias stands for is not named by the policy.
      expect((await world.dns("twin", "other.test")).rcode).toBe("NXDOMAIN");
    });

    it("opens nothing that an answer has beside the name that was asked for", async () => {
      expect(addresses(await world.dns("twin", "foreign.example"))).toEqual([places.v4.server]);
      expect(await reach("twin", places.v4.other, 80)).toBe(false);
    });

    it("opens neither the host, nor metadata, nor what is local, by whatever a name answers", async () => {
      for (const type of ["A", "AAAA"] as const) {
        const answer = await world.dns("some", "rebind.example", type);
        expect([answer.rcode, answer.answers]).toEqual(["NOERROR", []]);
      }
      for (const { metadata, host } of [places.v4, places.v6])
        for (const address of [metadata, host]) expect(await reach("some", address, 80)).toBe(false);
      const told = await world.told(client, ({ address }) => address === "2002:a9fe:a9fe::1");
      const rebound = told.filter(({ kind }) => kind === "rebinding").map(({ address }) => address);
      expect(new Set(rebound)).toEqual(
        new Set(zone["rebind.example"]?.map((record) => (record.type === "A" || record.type === "AAAA" ? record.data : ""))),
      );
    });

    it("keeps what is good of an answer that has both", async () => {
      expect(addresses(await world.dns("some", "mixed.example"))).toEqual([places.v4.server]);
    });

    it("opens private addresses by a name that is written out, and by a wildcard none", async () => {
      for (const type of ["A", "AAAA"] as const) expect(addresses(await world.dns("some", "private.wild.example", type))).toEqual([]);
      expect(await reach("some", places.v4.private, 80)).toBe(false);
      expect(addresses(await world.dns("some", "private.example"))).toEqual([places.v4.private]);
      expect(await reach("some", places.v4.private, 80)).toBe(true);
    });

    it("gives no records that hide a server's name or list other addresses", async () => {
      await world.asked();
      for (const type of ["UNKNOWN_65", "UNKNOWN_64"]) {
        const answer = await world.dns("some", "server.example", type as "A");
        expect([answer.rcode, answer.answers]).toEqual(["NOERROR", []]);
      }
      for (const type of ["AXFR", "IXFR", "ANY"])
        expect((await world.dns("some", "server.example", type as "A")).rcode).toMatch(/REFUSED|NOTIMP/);
      expect(await world.asked()).toEqual([]);
    });

    it("keeps an address open that another name has for longer", async () => {
      await world.dns("twin", "long.wild.example");
      await world.dns("twin", "brief.wild.example");
      // the shortest TTL that there is, here a second
      const left = async () =>
        /198\.51\.100\.53 timeout \S+ expires (\d+)(ms|s|m)/
          .exec(await world.in(world.net, "nft", "list", "table", "inet", "isthmus"))
          ?.slice(1);
      const [amount, unit] = (await left()) ?? [];
      expect(unit).toBe("m");
      expect(Number(amount)).toBeGreaterThan(5);
    });

    it("forgets an address when its TTL is over, and lets connections go on", async () => {
      const ssh = { kind: "hold", address: places.v4.other, port: 22 } as const;
      const hello = { kind: "tls", address: places.v4.other, port: 443, name: "short.example", ca: world.ca } as const;
      // The TTL may be over before a busy host comes to the attempt.
      const opens = async (attempt: Attempt): Promise<void> => {
        const result = async () => {
          await world.dns("twin", "short.example");
          return (await world.try("twin", attempt)).result;
        };
        await expect.poll(result).toBe("open");
      };
      await opens(ssh);
      await opens(hello);
      let open = true;
      while (open) open = await reach("twin", places.v4.other, 22);
      expect((await world.try("twin", { kind: "held", address: places.v4.other, port: 22 })).detail).toBe("still there");
      expect((await world.try("twin", hello)).result).toBe("refused");
      await opens({ ...ssh, kind: "tcp" });
      await opens(hello);
    });
  });

  describe("and messages that are none", () => {
    const send = (data: Buffer, kind: "dns-udp" | "dns-tcp" = "dns-udp") =>
      world.try("some", { kind, address: "10.89.0.1", port: 53, data: data.toString("base64") });
    const query = (more: Packet = {}): Buffer =>
      encode({ type: "query", id: 7, flags: 0x0100, questions: [{ type: "A", name: "web" }], ...more });
    const rcode = async (data: Buffer): Promise<unknown> => Reflect.get(decode(Buffer.from((await send(data)).detail, "base64")), "rcode");

    it("answers each with its refusal", async () => {
      expect(await rcode(query().subarray(0, 16))).toBe("FORMERR");
      expect(await rcode(query({ questions: [] }))).toBe("FORMERR");
      expect(
        await rcode(
          query({
            questions: [
              { type: "A", name: "web" },
              { type: "A", name: "old" },
            ],
          }),
        ),
      ).toBe("FORMERR");
      expect(await rcode(query({ flags: 0x2800 }))).toBe("NOTIMP");
      expect(await rcode(query({ questions: [{ type: "TXT", name: "version.bind", class: "CH" }] }))).toBe("REFUSED");
    });

    it("tells a client that speaks EDNS what it takes and that a name is blocked", async () => {
      const opt = {
        type: "OPT",
        name: ".",
        udpPayloadSize: 4096,
        flags: 0,
        flag_do: false,
        extendedRcode: 0,
        ednsVersion: 0,
        options: [],
      } as const;
      const data = query({ questions: [{ type: "A", name: "evil.test" }], additionals: [{ ...opt, options: [] }] });
      const [record] = decode(Buffer.from((await send(data)).detail, "base64")).additionals ?? [];
      expect(record).toMatchObject({ type: "OPT", udpPayloadSize: 1232, options: [{ code: 15, data: Buffer.from([0, 15]) }] });
    });

    it("goes on answering whatever comes, over UDP and TCP", async () => {
      const whole = query();
      const damaged = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }).map((changes) => {
        const copy = Buffer.from(whole);
        for (const [at, value] of changes) copy[at] = value;
        return copy;
      });
      const any = fc.oneof(
        fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
        damaged,
      );
      const messages = fc.sample(any, { numRuns: 300 });
      await world.try("some", {
        kind: "flood",
        address: "10.89.0.1",
        port: 53,
        data: messages.map((bytes) => bytes.toString("base64")).join(" "),
      });
      for (const bytes of messages.slice(0, 20))
        await world.try("some", { kind: "bytes", address: "10.89.0.1", port: 53, data: bytes.toString("base64") });
      expect(addresses(await world.dns("some", "web"))).toEqual(["10.89.0.10"]);
      expect(addresses(await world.dns("some", "web", "A", "tcp"))).toEqual(["10.89.0.10"]);
      expect(world.log).not.toMatch(/INTERNAL|Error/);
    });
  });
});
