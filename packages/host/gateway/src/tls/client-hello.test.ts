import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { helloFor } from "../testing/hello.ts";
import { readHello } from "./client-hello.ts";

/** The same handshake in records of so many bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const body = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

describe("the beginning of a TLS connection", async () => {
  const hello = await helloFor("Api.Example.org");

  it("names its server, in small letters", () => {
    expect(readHello(hello)).toEqual({ kind: "hello", name: "api.example.org" });
  });

  it("names it in TLS 1.2 too, and none when it names none", async () => {
    expect(readHello(await helloFor("old.example.org", { maxVersion: "TLSv1.2" }))).toEqual({ kind: "hello", name: "old.example.org" });
    expect(readHello(await helloFor(""))).toEqual({ kind: "hello", name: undefined });
  });

  it("is waited for until it is whole", () => {
    for (let length = 0; length < hello.length; length += 1)
      expect(readHello(hello.subarray(0, length)), `${length}`).toEqual({ kind: "more" });
  });

  it.each([1, 7, 100, 300])("is read from records of %i bytes", (size) => {
    const pieces = inRecords(hello, size);
    expect(readHello(pieces)).toEqual({ kind: "hello", name: "api.example.org" });
    expect(readHello(pieces.subarray(0, pieces.length - 1))).toEqual({ kind: "more" });
  });

  it.each([
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n")],
    ["SSH", Buffer.from("SSH-2.0-OpenSSH")],
    ["SSL 2", Buffer.from([0x80, 0x2e, 1, 3, 1])],
    ["another record first", Buffer.concat([Buffer.from([20, 3, 3, 0, 1, 1]), hello])],
    ["another message first", Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ["an empty record", Buffer.from([22, 3, 1, 0, 0])],
  ])("is none: %s", (_, bytes) => {
    expect(readHello(bytes)).toEqual({ kind: "other" });
  });

  it("names no server when it names two", () => {
    const at = hello.indexOf("Api.Example.org", 0, "latin1");
    // the whole extension of server names: type, length, list, entry
    const extension = hello.subarray(at - 9, at + 15);
    const twice = Buffer.concat([hello.subarray(0, at - 9), extension, extension, hello.subarray(at + 15)]);
    const grow = (offset: number, size: 2 | 3) => twice.writeUIntBE(twice.readUIntBE(offset, size) + extension.length, offset, size);
    grow(3, 2);
    grow(6, 3);
    const sessionEnd = 5 + 4 + 2 + 32 + 1 + (twice[5 + 4 + 2 + 32] ?? 0);
    const suitesEnd = sessionEnd + 2 + twice.readUInt16BE(sessionEnd);
    grow(suitesEnd + 1 + (twice[suitesEnd] ?? 0), 2);
    expect(readHello(twice)).toEqual({ kind: "hello", name: undefined });
  });

  it("throws at nothing, and names no server that is not in the bytes", () => {
    const damaged = fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }).map((changes) => {
      const copy = Buffer.from(hello);
      for (const [at, value] of changes) copy[at] = value;
      return copy;
    });
    fc.assert(
      fc.property(
        fc.oneof(
          damaged,
          fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          const read = readHello(bytes);
          if (read.kind === "hello" && read.name !== undefined) expect(bytes.toString("latin1").toLowerCase()).toContain(read.name);
          expect(["more", "other", "hello"]).toContain(read.kind);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
