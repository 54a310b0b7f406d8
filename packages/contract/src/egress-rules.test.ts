import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plainBlock } from "./address.ts";
import { egressWords, parseEgress, plainEgress, plainHost } from "./egress-rules.ts";
import { errorRegistry } from "./error-registry.ts";
import { hasCode } from "./errors.ts";
import { limits } from "./limits.ts";

const one = (port: number) => ({ first: port, last: port });

describe("--egress", () => {
  it.each([
    [["none"], { default: "closed", allow: [] }],
    [["open"], { default: "open", allow: [] }],
    [["api.example.org:443"], { default: "closed", allow: [{ host: "api.example.org", ports: [one(443)], protocol: "tcp" }] }],
    [["API.Example.ORG."], { default: "closed", allow: [{ host: "api.example.org", protocol: "tcp" }] }],
    [
      ["*.example.org:80,8000-8010"],
      { default: "closed", allow: [{ host: "*.example.org", ports: [one(80), { first: 8000, last: 8010 }], protocol: "tcp" }] },
    ],
    [["bücher.example:443"], { default: "closed", allow: [{ host: "xn--bcher-kva.example", ports: [one(443)], protocol: "tcp" }] }],
    [["10.0.0.0/8"], { default: "closed", allow: [{ cidr: "10.0.0.0/8", protocol: "tcp" }] }],
    [["10.0.0.0/8:5432"], { default: "closed", allow: [{ cidr: "10.0.0.0/8", ports: [one(5432)], protocol: "tcp" }] }],
    [["10.0.0.1/icmp"], { default: "closed", allow: [{ cidr: "10.0.0.1", protocol: "icmp" }] }],
    [["10.0.0.0/8/any"], { default: "closed", allow: [{ cidr: "10.0.0.0/8", protocol: "any" }] }],
    [["10.0.0.1:53/udp"], { default: "closed", allow: [{ cidr: "10.0.0.1", ports: [one(53)], protocol: "udp" }] }],
    [["FD00:0::1"], { default: "closed", allow: [{ cidr: "fd00::1", protocol: "tcp" }] }],
    [["[fd00::1]:53/udp"], { default: "closed", allow: [{ cidr: "fd00::1", ports: [one(53)], protocol: "udp" }] }],
    [["[fd00::]/8:443"], { default: "closed", allow: [{ cidr: "fd00::/8", ports: [one(443)], protocol: "tcp" }] }],
    [["fd00::/8"], { default: "closed", allow: [{ cidr: "fd00::/8", protocol: "tcp" }] }],
    [["open", "169.254.169.254:80"], { default: "open", allow: [{ cidr: "169.254.169.254", ports: [one(80)], protocol: "tcp" }] }],
  ])("reads %j", (words, policy) => {
    expect(parseEgress(words)).toEqual(policy);
    // The words of a policy describe it.
    expect(parseEgress(egressWords(parseEgress(words)))).toEqual(policy);
  });

  it.each([
    ["none beside another", ["none", "api.example.org"]],
    ["nothing", [""]],
    ["a port that is none", ["api.example.org:https"]],
    ["port 0", ["api.example.org:0"]],
    ["a port beyond the last", ["api.example.org:65536"]],
    ["a range that runs backwards", ["api.example.org:90-80"]],
    ["an unknown protocol", ["api.example.org:443/sctp"]],
    ["ports of icmp", ["10.0.0.1:7/icmp"]],
    ["a star alone", ["*"]],
    ["a star inside", ["api.*.org"]],
    ["a URL", ["https://api.example.org"]],
    ["a name with a space", ["api example.org"]],
    ["a label of 64 characters", [`${"a".repeat(64)}.org`]],
    ["an address of three parts", ["10.0.1"]],
    ["an octal address", ["010.0.0.1"]],
    ["a hexadecimal address", ["0x7f.1"]],
    ["a number as an address", ["2130706433"]],
    ["IPv4 inside IPv6", ["::ffff:169.254.169.254"]],
    ["a zone", ["fe80::1%eth0"]],
    ["a name in brackets", ["[api.example.org]:443"]],
    ["bits behind the prefix", ["10.0.0.1/8"]],
    ["a prefix too long", ["10.0.0.0/33"]],
  ])("refuses %s, naming the flag", (_, words) => {
    const refusal = (() => {
      try {
        return parseEgress(words);
      } catch (error) {
        return error;
      }
    })();
    expect(hasCode(refusal, "INVALID_REQUEST")).toBe(true);
    expect(String(refusal)).toMatch(/--egress/);
  });

  it("refuses more rules than the limit", () => {
    const words = Array.from({ length: limits.egressRules + 1 }, (_, index) => `h${index}.example.org`);
    expect(() => parseEgress(words)).toThrow(expect.objectContaining({ code: "TOO_LARGE", status: errorRegistry.TOO_LARGE.status }));
    expect(parseEgress(words.slice(1)).allow).toHaveLength(limits.egressRules);
  });

  it("throws nothing but errors of the registry, whatever it reads", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-z0-9.*:/[\]%,-]{0,40}$/)), (text) => {
        try {
          const policy = parseEgress([text]);
          expect(parseEgress(egressWords(policy))).toEqual(policy);
        } catch (error) {
          if (!hasCode(error, "INVALID_REQUEST")) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("policies", () => {
  it("names the field of a rule that is wrong", () => {
    const rule = (allow: object) => () => plainEgress({ default: "closed", allow: [{ host: "a.org" }, allow] });
    expect(rule({})).toThrow(/egress\.allow\[1\] is not valid: a rule has either host or cidr/);
    expect(rule({ host: "a.org", cidr: "10.0.0.1" })).toThrow(/egress\.allow\[1\] is not valid/);
    expect(rule({ host: "10.0.0.1" })).toThrow(/egress\.allow\[1\]\.host/);
    expect(rule({ cidr: "10.0.0.1/8" })).toThrow(/egress\.allow\[1\]\.cidr/);
    expect(rule({ cidr: "10.0.0.1", ports: [{ first: 2, last: 1 }] })).toThrow(/egress\.allow\[1\]\.ports/);
  });

  it("keeps a policy that is plain as it is", () => {
    const plain = plainEgress({
      default: "closed",
      allow: [
        { host: "*.Example.org", ports: [443] },
        { cidr: "FD00::/8", protocol: "any" },
      ],
    });
    expect(plainEgress(plain)).toEqual(plain);
  });

  it("takes a block only where its first address is written", () => {
    expect(plainBlock("10.1.0.0/16")).toEqual({ family: 4, address: "10.1.0.0", bits: 16 });
    expect(plainBlock("10.1.0.0/15")).toEqual(undefined);
    expect(plainBlock("::/0")).toEqual({ family: 6, address: "::", bits: 0 });
    expect(plainHost("localhost")).toBe("localhost");
  });
});
