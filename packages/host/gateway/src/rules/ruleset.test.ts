import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type EgressPolicy, type GatewayMachine, type GatewayState, hasCode } from "@isthmus/contract";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plansOf } from "../plan.ts";
import { checkState } from "../state.ts";
import { type Applied, changeTo, nothing } from "./ruleset.ts";

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
const host = fc
  .tuple(fc.boolean(), fc.array(label, { minLength: 1, maxLength: 4 }))
  .map(([star, labels]) => `${star ? "*." : ""}${labels.join(".")}`);
const blocks = [
  "0.0.0.0/0",
  "10.0.0.0/8",
  "169.254.169.254",
  "169.254.0.0/16",
  "10.99.0.1",
  "127.0.0.0/8",
  "240.0.0.0/4",
  "::/0",
  "fd00:ec2::254",
  "fe80::/10",
  "2001:db8::/64",
  "203.0.113.7",
];
const port = fc.integer({ min: 1, max: 65_535 });
const ports = fc.array(
  fc.oneof(
    port,
    fc.constantFrom(443, 53, 65_535, 1),
    fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
  ),
  { minLength: 1, maxLength: 32 },
);
const rule = fc
  .record({
    target: fc.oneof(
      host.map((name) => ({ host: name })),
      fc.constantFrom(...blocks).map((cidr) => ({ cidr })),
    ),
    ports: fc.option(ports, { nil: undefined }),
    protocol: fc.constantFrom("tcp", "udp", "icmp", "any", undefined),
  })
  .map(({ target, ports: some, protocol }) => ({
    ...target,
    ...(some && protocol !== "icmp" ? { ports: some } : {}),
    ...(protocol ? { protocol } : {}),
  }));
const policy: fc.Arbitrary<EgressPolicy> = fc.record({
  default: fc.constantFrom("open", "closed"),
  allow: fc.array(rule, { maxLength: 6 }),
});
const machine = fc.record({ number: fc.integer({ min: 2, max: 12 }), v6: fc.boolean(), egress: policy }).map(
  ({ number, v6, egress }): GatewayMachine => ({
    id: number.toString(16).padStart(16, "0"),
    name: `m${number}`,
    aliases: [],
    tap: `tap${number}`,
    mac: `02:00:00:00:00:${number.toString(16).padStart(2, "0")}`,
    v4: `10.89.0.${number}`,
    ...(v6 ? { v6: `fd89::${number.toString(16)}` } : {}),
    egress,
  }),
);
const state: fc.Arbitrary<GatewayState> = fc
  .record({
    machines: fc.uniqueArray(machine, { maxLength: 4, selector: ({ id }) => id }),
    hosts: fc.subarray(["10.99.0.1", "fd99::1", "192.0.2.1"]),
    closed: fc.integer({ max: 9, min: 0 }),
  })
  .map(({ machines, hosts, closed }) => ({
    network: "lan",
    bridge: "br0",
    ...(closed === 0 ? {} : { uplink: "up0" }),
    gateway: { v4: "10.89.0.1", v6: "fd89::1" },
    subnet: { v4: "10.89.0.0/24", v6: "fd89::/64" },
    upstreams: [],
    hostAddresses: hosts,
    machines,
  }));

describe.skipIf(!isRoot)("rules of any policies", () => {
  const namespace = `ig-rules-${process.pid}`;
  const nft = async (...args: string[]) => (await run("ip", ["netns", "exec", namespace, "nft", ...args], { maxBuffer: 2 ** 26 })).stdout;

  /** All that is in force, in no order and without what nft numbers by itself. */
  async function inForce(): Promise<string[]> {
    const { nftables } = JSON.parse(await nft("-j", "-s", "list", "ruleset")) as { nftables: object[] };
    const plain = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(plain);
      if (typeof value !== "object" || value === null) return value;
      const entries = Object.entries(value).filter(([name]) => name !== "handle");
      return Object.fromEntries(
        entries.map(([name, inner]) => [
          name,
          name === "elem" && Array.isArray(inner) ? inner.map((one) => JSON.stringify(plain(one))).sort() : plain(inner),
        ]),
      );
    };
    return nftables.map((one) => JSON.stringify(plain(one))).sort();
  }

  beforeAll(() => run("ip", ["netns", "add", namespace]));
  afterAll(() => run("ip", ["netns", "del", namespace]));

  it("are taken by nft, and step by step come to the same as at once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(state, { minLength: 2, maxLength: 4 }), async (states) => {
        let before: Applied | undefined;
        for (const next of states) {
          checkState(next);
          const applied = { state: next, plans: plansOf(next) };
          await nft("--", changeTo(applied, before).rules);
          before = applied;
        }
        if (!before) return;
        const steps = await inForce();
        await nft("--", changeTo(before, undefined).rules);
        expect(steps).toEqual(await inForce());
      }),
      { numRuns: 25 },
    );
  });

  it("go away whole, and going away twice is no error", async () => {
    await nft("--", nothing);
    await nft("--", nothing);
    expect((await nft("list", "ruleset")).trim()).toBe("");
  });

  it("have the same mark for the same policy of a machine, and another for another", () => {
    fc.assert(
      fc.property(state, (one) => {
        const marks = [...plansOf(one).values()].map(({ mark }) => mark);
        expect(new Set(marks).size).toBe(marks.length);
        expect([...plansOf(structuredClone(one)).values()].map(({ mark }) => mark)).toEqual(marks);
        for (const mark of marks) expect(mark > 0 && mark < 2 ** 31).toBe(true);
      }),
    );
  });

  it("are not made of a policy that is none", () => {
    fc.assert(
      fc.property(state, fc.string(), (one, text) => {
        const wrong = {
          ...one,
          machines: one.machines.map((each) => ({ ...each, egress: { default: "closed" as const, allow: [{ cidr: `${text} }` }] } })),
        };
        if (one.machines.length === 0) return;
        try {
          plansOf(wrong);
          expect.unreachable();
        } catch (error) {
          if (!hasCode(error, "INVALID_REQUEST")) throw error;
        }
      }),
    );
  });
});
