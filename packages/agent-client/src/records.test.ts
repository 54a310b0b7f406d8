import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RECORD_HEADER_BYTES } from "./config.ts";
import { decodeRecords, encodeRecord, OutputRecordDecoder, type RecordKind } from "./records.ts";

const kinds: readonly RecordKind[] = ["stdout", "stderr", "exit", "dropped", "start"];
const record = fc.record({
  kind: fc.constantFrom(...kinds),
  timeNs: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  seq: fc.nat({ max: 0xffff_ffff }),
  payload: fc.uint8Array({ maxLength: 300 }),
});

describe("output records", () => {
  it("come out of a file as they went in, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), fc.array(fc.nat({ max: 400 }), { maxLength: 20 }), (written, cuts) => {
        const file = Buffer.concat(written.map(encodeRecord));
        fc.pre(new Set(written.map((each) => encodeRecord(each).toString("latin1", 0, RECORD_HEADER_BYTES))).size === written.length);
        const decoder = new OutputRecordDecoder();
        const read = [];
        let at = 0;
        for (const cut of [...cuts, file.length]) {
          read.push(...decoder.push(file.subarray(at, at + cut)));
          at = Math.min(file.length, at + cut);
        }
        expect(read.map(({ kind, timeNs, seq, payload }) => ({ kind, timeNs, seq, payload: [...payload] }))).toEqual(
          written.map((each) => ({ ...each, payload: [...each.payload] })),
        );
        expect(decoder.offset).toBe(file.length);
        expect(decoder.pendingBytes).toBe(0);
      }),
    );
  });

  it("ignore a torn last record", () => {
    const whole = encodeRecord({ kind: "stdout", timeNs: 1n, seq: 0, payload: Buffer.from("whole") });
    const torn = encodeRecord({ kind: "exit", timeNs: 2n, seq: 1, payload: Buffer.from('{"code":0}') });
    for (let cut = 0; cut < torn.length; cut += 1) {
      const { records, rest } = decodeRecords(Buffer.concat([whole, torn.subarray(0, cut)]));
      expect(records).toHaveLength(1);
      expect(rest).toBe(whole.length);
    }
  });

  it("are found again after a punched hole or damage", () => {
    const first = encodeRecord({ kind: "stdout", timeNs: 1n, seq: 5, payload: Buffer.from("after") });
    const damaged = Buffer.concat([Buffer.alloc(4096), Buffer.from("ILOGnonsense that is long enough"), first]);
    const { records, rest, skipped } = decodeRecords(damaged);
    expect(records.map((each) => each.payload.toString())).toEqual(["after"]);
    expect(rest).toBe(damaged.length);
    expect(skipped).toBe(damaged.length - RECORD_HEADER_BYTES - 5);
  });

  it("come out once and whole when a full disk cut a write that was then tried again, wherever it was cut", () => {
    const at = (seq: number, kind: RecordKind, payload: string) =>
      encodeRecord({ kind, timeNs: 1_000n + BigInt(seq), seq, payload: Buffer.from(payload) });
    const before = at(0, "stdout", "before");
    // One write of the VMM may hold several records.
    const write = Buffer.concat([at(1, "stdout", "ILOG of another\n".repeat(4)), at(2, "stderr", "oh"), at(3, "exit", '{"code":7}')]);
    for (let cut = 0; cut <= write.length; cut += 1) {
      for (const twice of [0, 30]) {
        const file = Buffer.concat([before, write.subarray(0, cut), write.subarray(0, twice), write]);
        const { records, rest } = decodeRecords(file);
        expect(
          records.map(({ seq, payload }) => `${seq} ${payload.length}`),
          `cut at ${cut}, ${twice}`,
        ).toEqual(["0 6", "1 64", "2 2", "3 10"]);
        expect(rest).toBe(file.length);
      }
    }
  });

  it("never throw on garbage and always use up or keep every byte", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (garbage) => {
        const { records, rest, skipped } = decodeRecords(Buffer.from(garbage));
        const used = records.reduce((sum, each) => sum + RECORD_HEADER_BYTES + each.payload.length, 0);
        expect(used + skipped).toBe(rest);
        expect(rest).toBeLessThanOrEqual(garbage.length);
      }),
    );
  });

  it("keep their place in the file when reading starts in its middle", () => {
    const one = encodeRecord({ kind: "stdout", timeNs: 1n, seq: 0, payload: Buffer.from("abc") });
    expect(new OutputRecordDecoder(1000).push(one)[0]?.end).toBe(1000 + one.length);
  });
});
