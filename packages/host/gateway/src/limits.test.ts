import { readFileSync } from "node:fs";
import { parseEgress } from "@isthmus/contract";
import { type Answer, encode } from "dns-packet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayClient } from "./client.ts";
import { MACHINE_TIES } from "./config.ts";
import { Denials } from "./denials.ts";
import { Places } from "./places.ts";
import { NetWorld, places } from "./testing/net-world.ts";

const isRoot = process.getuid?.() === 0;
const MIB = 2 ** 20;
const zone: Record<string, Answer[]> = Object.fromEntries(
  Array.from({ length: 40 }, (_, index) => [
    `n${index}.wild.example`,
    Array.from(
      { length: 80 },
      (_, address): Answer => ({ type: "A", name: `n${index}.wild.example`, ttl: 300, data: `203.1.${index}.${address + 1}` }),
    ),
  ]),
);

describe("refusals", () => {
  it("are told apart up to a limit, and all counted", () => {
    const denials = new Denials();
    for (let round = 0; round < 2; round += 1)
      for (let index = 0; index < 3000; index += 1) denials.add({ machine: "a", kind: "dns", name: `n${index}` });
    const told = denials.take();
    expect(told.length).toBe(1025);
    expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(6000);
    expect(told.find(({ kind }) => kind === "limit")).toEqual({ machine: "a", kind: "limit", name: "denials", count: 2 * (3000 - 1024) });
    expect(denials.take()).toEqual([]);
  });
});

describe("places", () => {
  it("are bounded in all and for each machine, and come back", () => {
    const some = new Places(5, 3);
    expect([1, 2, 3, 4].map(() => some.take("a"))).toEqual([true, true, true, false]);
    expect([1, 2, 3].map(() => some.take("b"))).toEqual([true, true, false]);
    some.giveBack("a");
    expect(some.take("b")).toBe(true);
    for (const machine of ["a", "a", "b", "b", "b"]) some.giveBack(machine);
    expect([1, 2, 3].map(() => some.take("c"))).toEqual([true, true, true]);
  });
});

describe.skipIf(!isRoot)("a machine that tries everything", () => {
  let world: NetWorld;
  let client: GatewayClient;
  const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${client.pid}/status`, "utf8"))?.[1]) * 1024;

  beforeAll(async () => {
    world = await NetWorld.make();
    await world.machine("some", parseEgress(["*.wild.example:80,443"]));
    await world.machine("other", parseEgress(["*.wild.example:80"]));
    await world.gateway();
    client = await GatewayClient.attach(world.socket);
    await client.apply(world.state());
    await world.zone(zone);
  });
  afterAll(async () => {
    client?.close();
    await world?.end();
  });

  it("opens only so many addresses at once, and leaves the others theirs", async () => {
    let opened = 0;
    let full = false;
    for (const name of Object.keys(zone)) {
      const count = (await world.dns("some", name, "A", "tcp")).answers?.length ?? 0;
      expect(count).toBe(full ? 0 : Math.min(64, MACHINE_TIES - opened));
      opened += count;
      full = opened >= MACHINE_TIES;
    }
    expect(opened).toBe(MACHINE_TIES);
    expect(await world.told(client, ({ kind }) => kind === "limit")).toContainEqual(
      expect.objectContaining({ machine: world.machines[0]?.id, name: "addresses" }),
    );
    expect((await world.dns("other", "n39.wild.example", "A", "tcp")).answers).toHaveLength(64);
  });

  it("has each of its packets counted, those beyond the tables together", async () => {
    const ports = 6000;
    await world.try("other", { kind: "scan", address: places.v4.server, port: 10_000, size: ports });
    let count = 0;
    let apart = 0;
    while (count < ports)
      for (const denial of await world.told(client, () => true)) {
        if (denial.machine !== world.machines[1]?.id) continue;
        count += denial.count;
        if (denial.kind === "address") apart += 1;
      }
    expect(count).toBe(ports);
    expect(apart).toBeGreaterThan(1000);
    expect(apart).toBeLessThanOrEqual(4096);
  });

  it("does not make the gateway grow by what it asks", async () => {
    const before = rss();
    const question = (index: number) =>
      encode({
        type: "query",
        id: index & 0xffff,
        flags: 0x0100,
        questions: [{ type: "A", name: `${index}.${"x".repeat(60)}.${"y".repeat(60)}.evil.test` }],
      }).toString("base64");
    for (let round = 0; round < 20; round += 1)
      await world.try("some", {
        kind: "flood",
        address: "10.89.0.1",
        port: 53,
        data: Array.from({ length: 1000 }, (_, index) => question(round * 1000 + index)).join(" "),
      });
    expect((await world.dns("other", "some")).answers).toHaveLength(1);
    expect(rss() - before).toBeLessThan(64 * MIB);
  });
});
