import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFrame, FrameReader, opcodes } from "./frames.ts";

/** What a server does with a client's frame: checks that it is masked and takes the mask off. */
function unmask(frame: Buffer): Buffer {
  const short = (frame[1] ?? 0) & 0x7f;
  expect((frame[1] ?? 0) & 0x80).toBe(0x80);
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  const key = frame.subarray(head, head + 4);
  return Buffer.from(frame.subarray(head + 4).map((byte, index) => byte ^ (key[index % 4] ?? 0)));
}

function serverFrame(first: number, payload: Buffer): Buffer {
  const head = payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(head + payload.length);
  frame[0] = first;
  frame[1] = head === 2 ? payload.length : head === 4 ? 126 : 127;
  if (head === 4) frame.writeUInt16BE(payload.length, 2);
  if (head === 10) frame.writeBigUInt64BE(BigInt(payload.length), 2);
  payload.copy(frame, head);
  return frame;
}

describe("encodeFrame", () => {
  it("masks every length rightly", () => {
    for (const length of [0, 1, 2, 3, 4, 5, 7, 124, 125, 126, 127, 128, 65_535, 65_536, 65_537, 100_003]) {
      const payload = Buffer.from(Array.from({ length }, (_, index) => index % 251));
      const frame = encodeFrame(opcodes.binary, [payload.subarray(0, length >> 1), payload.subarray(length >> 1)]);
      expect(frame[0]).toBe(0x82);
      expect(unmask(frame).equals(payload)).toBe(true);
    }
  });
});

describe("FrameReader", () => {
  it("finds the same frames however the bytes are cut", () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 70_000, size: "max" }), { maxLength: 5 });
    fc.assert(
      fc.property(payloads, fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 20 }), (bodies, cuts) => {
        const bytes = Buffer.concat(bodies.map((body) => serverFrame(0x82, Buffer.from(body))));
        const reader = new FrameReader(100_000);
        const found: Buffer[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const step = cuts[turn % cuts.length] ?? 1;
          reader.push(bytes.subarray(at, at + step));
          at += step;
          for (let frame = reader.next(); frame; frame = reader.next()) found.push(frame.payload);
        }
        return found.length === bodies.length && found.every((payload, index) => payload.equals(Buffer.from(bodies[index] ?? [])));
      }),
      { numRuns: 60 },
    );
  });

  it("answers garbage with frames or PROTOCOL, never otherwise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const reader = new FrameReader(1000);
        reader.push(Buffer.from(bytes));
        try {
          while (reader.next());
          return true;
        } catch (error) {
          return error instanceof Error && "code" in error && error.code === "PROTOCOL";
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("refuses masked frames, reserved bits, long control frames and sizes over the limit", () => {
    const refused = (frame: Buffer) => {
      const reader = new FrameReader(1000);
      reader.push(frame);
      expect(() => reader.next()).toThrow(/WebSocket/);
    };
    refused(Buffer.of(0x82, 0x80, 0, 0, 0, 0));
    refused(Buffer.of(0xc2, 0));
    refused(serverFrame(0x89, Buffer.alloc(126)));
    refused(Buffer.of(0x09, 0));
    refused(serverFrame(0x82, Buffer.alloc(1001)));
    refused(Buffer.of(0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255));
  });
});
