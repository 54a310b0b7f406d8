import { parseEgress } from "@isthmus/contract";
import type { Answer } from "dns-packet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayClient } from "./client.ts";
import { helloFor } from "./testing/hello.ts";
import { NetWorld, places } from "./testing/net-world.ts";

const isRoot = process.getuid?.() === 0;

const both = (name: string, v4: string, v6: string): Answer[] => [
  { type: "A", name, ttl: 300, data: v4 },
  { type: "AAAA", name, ttl: 300, data: v6 },
];
const zone: Record<string, Answer[]> = {
  "server.example": both("server.example", places.v4.server, places.v6.server),
  "other.example": both("other.example", places.v4.other, places.v6.other),
  "same.example": both("same.example", places.v4.server, places.v6.server),
  "one.wild.example": both("one.wild.example", places.v4.server, places.v6.server),
  "two.wild.example": both("two.wild.example", places.v4.other, places.v6.other),
};

describe.skipIf(!isRoot)("TLS to named servers", () => {
  let world: NetWorld;
  let client: GatewayClient;

  beforeAll(async () => {
    world = await NetWorld.make();
    await world.machine("some", parseEgress(["server.example:443,8443", "other.example:443", "*.wild.example:443"]));
    await world.machine("mixed", parseEgress(["server.example:443", `${places.v4.server}:443`]));
    await world.machine("open", parseEgress(["open"]));
    await world.gateway();
    client = await GatewayClient.attach(world.socket);
    await client.apply(world.state());
    await world.zone(zone);
    for (const machine of ["some", "mixed"])
      for (const name of ["server.example", "other.example", "one.wild.example"])
        for (const type of ["A", "AAAA"] as const) await world.dns(machine, name, type);
  });
  afterAll(async () => {
    client?.close();
    await world?.end();
  });

  const tls = (machine: string, address: string, name: string | undefined, port = 443, size = 0) =>
    world.try(machine, { kind: "tls", address, port, name, ca: world.ca, size });

  it.each(["v4", "v6"] as const)("reaches the server that it names, which sees the same name (%s)", async (family) => {
    expect(await tls("some", places[family].server, "server.example")).toEqual({
      result: "open",
      detail: `tls server.example ${places[family].server}`,
    });
    expect(await tls("some", places[family].server, "server.example", 8443)).toMatchObject({ result: "open" });
    expect(await tls("some", places[family].other, "other.example")).toMatchObject({ result: "open" });
    expect(await tls("some", places[family].server, "one.wild.example")).toMatchObject({ result: "open" });
  });

  const refused: readonly (readonly [string, "server" | "other", string | undefined, number])[] = [
    ["a name that is not allowed", "server", "evil.test", 443],
    ["a name that is not allowed, of the same server", "server", "same.example", 443],
    ["an allowed name that has another address", "server", "other.example", 443],
    ["an allowed name that was not asked for", "other", "two.wild.example", 443],
    ["no name", "server", undefined, 443],
    ["a name on a port that only another is allowed", "server", "one.wild.example", 8443],
  ];
  it.each(refused)("refuses %s with an alert, and tells of it", async (_, place, name, port) => {
    for (const family of ["v4", "v6"] as const) {
      expect(await tls("some", places[family][place], name, port)).toEqual({
        result: "refused",
        detail: "ERR_SSL_TLSV1_ALERT_ACCESS_DENIED",
      });
      const told = await world.told(client, ({ kind, address }) => kind === "tls" && address === places[family][place]);
      expect(told.at(-1)).toEqual({
        machine: world.machines[0]?.id,
        kind: "tls",
        ...(name ? { name } : {}),
        address: places[family][place],
        port,
        protocol: "tcp",
        count: 1,
      });
    }
  });

  it("refuses what is not TLS, where TLS is spoken", async () => {
    const http = Buffer.from("GET / HTTP/1.1\r\nHost: server.example\r\n\r\n").toString("base64");
    const answer = await world.try("some", { kind: "bytes", address: places.v4.server, port: 443, data: http });
    expect(Buffer.from(answer.detail, "base64")).toEqual(Buffer.from([21, 3, 3, 0, 2, 2, 49]));
  });

  it("never lets a connection to an address that no name opened begin", async () => {
    expect(await tls("some", places.v4.private, "server.example")).toEqual({ result: "refused", detail: "ECONNREFUSED" });
    expect(await tls("some", "240.0.0.1", "server.example")).toEqual({ result: "refused", detail: "ECONNREFUSED" });
    expect(await tls("some", "10.89.0.1", "server.example")).toEqual({ result: "refused", detail: "ECONNREFUSED" });
    expect(await tls("open", "240.0.0.1", "server.example")).toMatchObject({ result: "refused" });
    expect(await tls("open", "10.89.0.1", "server.example")).toMatchObject({ result: "refused" });
  });

  it("takes a greeting that comes in pieces and in many records", async () => {
    const hello = await helloFor("server.example");
    const body = hello.subarray(5);
    const records: Buffer[] = [];
    for (let at = 0; at < body.length; at += 20) {
      const piece = body.subarray(at, at + 20);
      records.push(Buffer.from([22, 3, 1, 0, piece.length]), piece);
    }
    const answer = await world.try("some", {
      kind: "pieces",
      address: places.v4.server,
      port: 443,
      data: Buffer.concat(records).toString("base64"),
    });
    expect(Buffer.from(answer.detail, "base64")[0]).toBe(22);
    const foreign = await helloFor("evil.test");
    const alert = await world.try("some", { kind: "pieces", address: places.v4.server, port: 443, data: foreign.toString("base64") });
    expect(Buffer.from(alert.detail, "base64")[0]).toBe(21);
  });

  it("leaves alone what a rule opens by its address", async () => {
    expect(await tls("mixed", places.v4.server, "server.example")).toMatchObject({ result: "open" });
    expect(await tls("mixed", places.v4.server, "evil.test")).toMatchObject({ result: "open" });
    expect(await tls("mixed", places.v6.server, "evil.test")).toMatchObject({ result: "refused" });
  });

  it("passes much in both directions, whole", async () => {
    const size = 4 * 1024 * 1024;
    expect(await tls("some", places.v4.server, "server.example", 443, size)).toMatchObject({
      result: "open",
      detail: `tls server.example ${places.v4.server} ${size}`,
    });
  });

  it("refuses at once when the server does", async () => {
    await world.in(
      world.out,
      "nft",
      "table inet down {\nchain in {\ntype filter hook input priority 0\ntcp dport 8443 reject with tcp reset\n}\n}",
    );
    expect((await tls("some", places.v4.server, "server.example", 8443)).result).toBe("refused");
    await world.in(world.out, "nft", "delete table inet down");
    expect((await tls("some", places.v4.server, "server.example", 8443)).result).toBe("open");
  });
});
