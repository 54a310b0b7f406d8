import { blockText, plainBlock } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { blockOf, choosePlace, chooseSubnet, chooseSubnet6 } from "./addresses.ts";

const web = { name: "web", subnet: "10.40.0.0/29", subnet6: "fd40::/64", internal: false, labels: {}, createdAt: "" };

describe("blocks of networks", () => {
  it("are the first that nothing else has", () => {
    expect(blockText(chooseSubnet(undefined, []))).toBe("10.89.0.0/24");
    expect(blockText(chooseSubnet(undefined, ["10.89.0.0/23", "10.89.2.7"].map(blockOf)))).toBe("10.89.3.0/24");
    expect(() => chooseSubnet(undefined, [blockOf("10.0.0.0/8")])).toThrow(expect.objectContaining({ code: "NO_CAPACITY" }));
  });

  it("of IPv6 are unique local ones", () => {
    const block = chooseSubnet6(undefined, []);
    expect([block.bits, plainBlock(blockText(block)), block.address.startsWith("fd")]).toEqual([64, block, true]);
  });

  it.each([
    ["10.40.0.0", "prefix"],
    ["10.40.0.1/24", "no bits set"],
    ["10.0.0.0/8", "16 to 29"],
    ["10.40.0.0/30", "16 to 29"],
    ["fd40::/64", "IPv4 block"],
    ["127.1.0.0/16", "cannot have"],
    ["169.254.0.0/16", "cannot have"],
    ["224.0.0.0/16", "cannot have"],
    ["10.41.0.0/16", "overlaps 10.41.7.0/24"],
  ])("are refused: %s", (text, words) => {
    expect(() => chooseSubnet(text, [blockOf("10.41.7.0/24")])).toThrow(words);
  });

  it.each(["fd40::/48", "fe80::/64", "ff02::/64", "10.40.0.0/24", "fd41::/64"])("of IPv6 are refused: %s", (text) => {
    expect(() => chooseSubnet6(text, [blockOf("fd41::/64")])).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
  });
});

describe("addresses of machines", () => {
  it("are the first free ones, the same number in both families", () => {
    expect(choosePlace(web, {}, new Map(), "x")).toEqual({ ip: "10.40.0.2", ip6: "fd40::2" });
    expect(
      choosePlace(
        web,
        {},
        new Map([
          ["10.40.0.2", "a"],
          ["fd40::3", "b"],
        ]),
        "x",
      ),
    ).toEqual({ ip: "10.40.0.4", ip6: "fd40::4" });
    expect(choosePlace(web, { ip: "10.40.0.5" }, new Map([["fd40::5", "a"]]), "x")).toEqual({ ip: "10.40.0.5", ip6: "fd40::2" });
    expect(choosePlace(web, { ip6: "fd40::ffff:1" }, new Map(), "x")).toEqual({ ip: "10.40.0.2", ip6: "fd40::ffff:1" });
  });

  it("run out, which is told", () => {
    const taken = new Map([2, 3, 4, 5, 6].map((last) => [`10.40.0.${last}`, "somebody"] as const));
    expect(() => choosePlace(web, {}, taken, "x")).toThrow(expect.objectContaining({ code: "NETWORK_FULL" }));
  });

  it.each([
    [{ ip: "10.40.0.1" }, "ADDRESS_TAKEN"],
    [{ ip: "10.40.0.3" }, "ADDRESS_TAKEN"],
    [{ ip6: "fd40::1" }, "ADDRESS_TAKEN"],
    [{ ip: "10.40.0.0" }, "INVALID_REQUEST"],
    [{ ip: "10.40.0.7" }, "INVALID_REQUEST"],
    [{ ip: "10.41.0.2" }, "INVALID_REQUEST"],
    [{ ip: "fd40::9" }, "INVALID_REQUEST"],
    [{ ip6: "fd41::9" }, "INVALID_REQUEST"],
    [{ ip: "010.40.0.2" }, "INVALID_REQUEST"],
  ])("are refused: %j", (wish, code) => {
    expect(() => choosePlace(web, wish, new Map([["10.40.0.3", "machine a"]]), "networks[0]")).toThrow(expect.objectContaining({ code }));
  });
});
