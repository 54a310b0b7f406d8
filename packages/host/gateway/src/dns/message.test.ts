import { decode, encode, type Packet } from "dns-packet";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chain } from "./answer.ts";
import { reversed } from "./local-names.ts";
import { forUdp, type Query, question, rcodes, readAnswer, readQuery, reply } from "./message.ts";

const query = (name: string, more: Packet = {}): Buffer =>
  encode({ type: "query", id: 7, flags: 0x0100, questions: [{ type: "A", name }], ...more });
const read = (bytes: Buffer): Query => {
  const found = readQuery(bytes);
  if (found === undefined || Buffer.isBuffer(found)) expect.unreachable();
  return found;
};
/** A message with some of its bytes changed, or cut off. */
const damaged = (whole: Buffer): fc.Arbitrary<Buffer> =>
  fc.tuple(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }), fc.nat(whole.length)).map(([changes, length]) => {
    const copy = Buffer.from(whole);
    for (const [at, value] of changes) copy[at] = value;
    return copy.subarray(0, length);
  });
const rcodeOf = (bytes: Buffer | Query | undefined): number | undefined =>
  Buffer.isBuffer(bytes) ? bytes.readUInt16BE(2) & 15 : undefined;

describe("messages of DNS", () => {
  it("are read with their name as it is compared and as it is echoed", () => {
    expect(read(query("Api.Example.ORG"))).toMatchObject({
      name: "Api.Example.ORG",
      plainName: "api.example.org",
      type: "A",
      id: 7,
      udpBytes: 512,
      edns: false,
    });
    expect(readQuery(query("a.b").subarray(0, 11))).toBe(undefined);
    expect(readQuery(encode({ type: "response", id: 7, questions: [{ type: "A", name: "a.b" }] }))).toBe(undefined);
  });

  it("are refused when a label has a dot or what is no text in it", () => {
    const raw = (labels: readonly Buffer[]): Buffer => {
      const name = Buffer.concat([...labels.flatMap((label) => [Buffer.from([label.length]), label]), Buffer.from([0])]);
      return Buffer.concat([query("x").subarray(0, 12), name, Buffer.from([0, 1, 0, 1])]);
    };
    expect(read(raw([Buffer.from("api"), Buffer.from("org")])).plainName).toBe("api.org");
    expect(rcodeOf(readQuery(raw([Buffer.from("evil.test.api"), Buffer.from("org")])))).toBe(rcodes.malformed);
    expect(rcodeOf(readQuery(raw([Buffer.from([0xff, 0xfe]), Buffer.from("org")])))).toBe(rcodes.malformed);
    expect(rcodeOf(readQuery(raw([Buffer.alloc(63, 0xff), Buffer.from("org")])))).toBe(rcodes.malformed);
    // a pointer into the header, which would be read as a name
    expect(rcodeOf(readQuery(Buffer.concat([query("x").subarray(0, 12), Buffer.from([0xc0, 0, 0, 1, 0, 1])])))).toBe(rcodes.malformed);
  });

  it("of clients never throw, and what they are answered can be read", () => {
    const whole = query("api.example.org", {
      additionals: [
        { type: "OPT", name: ".", udpPayloadSize: 4096, flags: 0, flag_do: false, extendedRcode: 0, ednsVersion: 0, options: [] },
      ],
    });
    fc.assert(
      fc.property(
        fc.oneof(
          damaged(whole),
          fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          const found = readQuery(bytes);
          if (found === undefined) return;
          const answer = Buffer.isBuffer(found) ? found : forUdp(found, reply(found, rcodes.noName, { blocked: true, ours: true }));
          expect(answer.readUInt16BE(0)).toBe(bytes.readUInt16BE(0));
          expect(decode(answer).type).toBe("response");
          if (Buffer.isBuffer(found)) return;
          expect(decode(question(found, 9, "plain")).questions?.[0]?.name).toBe(found.name);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it("of servers never throw, and are answers to nothing but the question", () => {
    const asked = read(query("Api.Example.org"));
    const answer = encode({
      type: "response",
      id: 9,
      questions: [{ type: "A", name: "api.example.ORG" }],
      answers: [
        { type: "CNAME", name: "api.example.org", ttl: 5, data: "cdn.test" },
        { type: "A", name: "cdn.test", ttl: 5, data: "203.0.113.7" },
      ],
    });
    expect(readAnswer(asked, 9, answer)?.answers).toHaveLength(2);
    expect(readAnswer(asked, 8, answer)).toBe(undefined);
    expect(readAnswer(read(query("other.example.org")), 9, answer)).toBe(undefined);
    expect(readAnswer({ ...asked, type: "AAAA" }, 9, answer)).toBe(undefined);
    fc.assert(
      fc.property(
        fc.oneof(
          damaged(answer),
          fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          const found = readAnswer(asked, 9, bytes);
          for (const record of chain(asked, found?.answers ?? [])) expect(["A", "CNAME"]).toContain(record.type);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it("about addresses are read backwards", () => {
    expect(reversed("10.0.89.10.in-addr.arpa")).toBe("10.89.0.10");
    expect(reversed(`1.${"0.".repeat(27)}9.8.d.f.ip6.arpa`)).toBe("fd89::1");
    for (const name of ["0.89.10.in-addr.arpa", "256.0.0.10.in-addr.arpa", "in-addr.arpa", "g.ip6.arpa", "web"])
      expect(reversed(name), name).toBe(undefined);
  });
});
