import { hasCode } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES, GREETING_MAGIC } from "./config.ts";
import { parseControl } from "./control.ts";
import { encodeFrame, FrameDecoder, type FrameName, frameTypes } from "./frames.ts";

const frame = fc.record({
  type: fc.constantFrom<FrameName>("hello", "request", "reply", "data", "credit", "exit", "event"),
  stream: fc.nat({ max: 0xffff_ffff }),
  payload: fc.uint8Array({ maxLength: 200 }),
  /** behind the magic of a greeting */
  anew: fc.boolean(),
});

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("frames", () => {
  it("come through as they were sent, however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 40 }), (sent, cuts) => {
        const bytes = Buffer.concat(
          sent.flatMap(({ anew, type, stream, payload }) => [...(anew ? [GREETING_MAGIC] : []), encodeFrame(type, stream, payload)]),
        );
        const decoder = new FrameDecoder();
        const got = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          for (const each of decoder.push(bytes.subarray(at, at + cut))) got.push({ ...each, payload: [...each.payload] });
          at = Math.min(bytes.length, at + cut);
        }
        expect(got).toEqual(sent.map(({ type, stream, payload }) => ({ type, flags: 0, stream, payload: [...payload] })));
        expect(decoder.pendingBytes).toBe(0);
      }),
    );
  });

  it("of garbage give frames or AGENT_PROTOCOL, never anything else, and hold back less than one frame", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (chunks) => {
        const decoder = new FrameDecoder();
        const error = thrownBy(() => {
          for (const chunk of chunks) for (const _ of decoder.push(Buffer.from(chunk)));
        });
        expect(error === undefined || hasCode(error, "AGENT_PROTOCOL")).toBe(true);
        expect(decoder.pendingBytes).toBeLessThan(FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES);
      }),
    );
  });

  it.each([
    ["a payload over the limit", { length: FRAME_PAYLOAD_BYTES + 1 }],
    ["an unknown type", { type: 99 }],
    ["reserved bits", { reserved: 1 }],
    ["flags that the type does not have", { type: frameTypes.reply, flags: 1 }],
  ])("with %s are a protocol error", (_, { length = 0, type = 4, flags = 0, reserved = 0 }: Record<string, number>) => {
    const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
    bytes.writeUInt32LE(length, 0);
    bytes.writeUInt8(type, 4);
    bytes.writeUInt8(flags, 5);
    bytes.writeUInt16LE(reserved, 6);
    expect(thrownBy(() => [...new FrameDecoder().push(bytes)])).toMatchObject({ code: "AGENT_PROTOCOL" });
  });

  it("larger than the limit are not sent", () => {
    expect(thrownBy(() => encodeFrame("data", 2, Buffer.alloc(FRAME_PAYLOAD_BYTES + 1)))).toMatchObject({ code: "TOO_LARGE" });
  });
});

describe("control JSON", () => {
  it.each(["", "nonsense", "[1]", "7", "null", `{"a":${"[".repeat(9)}${"]".repeat(9)}}`])("%j is a protocol error", (text) => {
    expect(thrownBy(() => parseControl(Buffer.from(text), "REPLY"))).toMatchObject({ code: "AGENT_PROTOCOL" });
  });

  it("may hold brackets in its texts", () => {
    const value = { a: `${"[{".repeat(50)}\\"`, b: '"' };
    expect(parseControl(Buffer.from(JSON.stringify(value)), "REPLY")).toEqual(value);
  });

  it("of garbage throws AGENT_PROTOCOL and nothing else", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const error = thrownBy(() => parseControl(Buffer.from(text), "REPLY"));
        expect(error === undefined || hasCode(error, "AGENT_PROTOCOL")).toBe(true);
      }),
    );
  });
});
