import { execFileSync } from "node:child_process";
import type { EgressRule } from "@isthmus/contract";
import fc from "fast-check";
import { expect, it } from "vitest";
import { hostRules, replaced } from "./host-rules.ts";

const host = ["203.0.113.1", "2001:db8::1", "169.254.7.7"];
const rulesFor = (allow: EgressRule[], dns: readonly string[] = []) =>
  hostRules([{ egress: { default: "open", allow } }], host, dns).split("\n");

it.each<[EgressRule, string[]]>([
  [{ cidr: "203.0.113.1", ports: [80] }, ["ip daddr 203.0.113.1 tcp dport 80 accept"]],
  [{ cidr: "203.0.113.1/32", ports: [{ first: 1, last: 9 }], protocol: "udp" }, ["ip daddr 203.0.113.1 udp dport 1-9 accept"]],
  [{ cidr: "2001:db8::1", protocol: "icmp" }, ["ip6 daddr 2001:db8::1 icmpv6 type echo-request accept"]],
  [{ cidr: "169.254.0.0/16" }, ["ip daddr 169.254.0.0/16 tcp dport 0-65535 accept"]],
  [{ cidr: "203.0.113.0/24" }, [""]],
  [{ cidr: "0.0.0.0/0", protocol: "any" }, [""]],
  [{ cidr: "169.254.8.0/24" }, [""]],
  [{ cidr: "198.51.100.1" }, [""]],
  [{ host: "host.example.org" }, [""]],
])("opens the host by a rule that names its very address, not by a wider one: %j", (rule, lines) => {
  expect(rulesFor([rule])).toEqual(lines);
});

it("opens the DNS servers of the host that are on its addresses", () => {
  expect(rulesFor([], ["203.0.113.1", "198.51.100.53"])).toEqual([
    "ip daddr 203.0.113.1 tcp dport 53 accept",
    "ip daddr 203.0.113.1 udp dport 53 accept",
  ]);
});

const port = fc.integer({ min: 1, max: 65_535 });
const range = fc.tuple(port, port).map(([one, other]) => ({ first: Math.min(one, other), last: Math.max(one, other) }));
const rule = fc.record(
  {
    cidr: fc.constantFrom(...host, "169.254.0.0/16"),
    ports: fc.array(fc.oneof(port, range), { minLength: 1, maxLength: 32 }),
    protocol: fc.constantFrom("tcp", "udp", "icmp", "any"),
  },
  { requiredKeys: ["cidr"] },
) as fc.Arbitrary<EgressRule>;

it("is what nft takes, whatever policies say, again and again", () => {
  const property = fc.property(fc.array(fc.array(rule, { maxLength: 8 }), { minLength: 1, maxLength: 3 }), (policies) => {
    const input = policies.map((allow) => replaced("isthmus_test", rulesFor(allow).join("\n"))).join("");
    execFileSync("unshare", ["--net", "nft", "-f", "-"], { input, stdio: ["pipe", "ignore", "pipe"] });
  });
  fc.assert(property, { numRuns: 25 });
});
