import { describe, expect, it } from "vitest";
import { digestPrefix, parseReference, parseTag } from "./reference.ts";

describe("image references", () => {
  it.each([
    ["busybox", "busybox:latest"],
    ["busybox:1.36", "busybox:1.36"],
    ["docker.io/library/busybox", "busybox:latest"],
    ["docker.io/acme/app:v2", "acme/app:v2"],
    ["localhost:5000/a/b:c", "localhost:5000/a/b:c"],
    ["registry.example/a__b/c-d:T", "registry.example/a__b/c-d:T"],
    ["localhost:5000/a", "localhost:5000/a:latest"],
  ])("reads %s as %s", (value, tag) => {
    expect(parseTag(value)).toBe(tag);
  });

  it.each([
    "",
    "UPPER",
    "a b",
    "a:",
    ":b",
    "a//b",
    "-a",
    "a:-b",
    "../a",
    "a/../b",
    "a\nb",
    "é",
    `a:${"x".repeat(129)}`,
    "a".repeat(256),
    "a:b:c",
  ])("refuses %j", (value) => {
    expect(() => parseTag(value)).toThrow(expect.objectContaining({ code: "INVALID_IMAGE_REF" }));
  });

  it("knows digests and their beginnings of 6 digits or more", () => {
    const hex = "0123456789abcdef".repeat(4);
    expect(digestPrefix(`sha256:${hex}`)).toBe(hex);
    expect(digestPrefix("012345")).toBe("012345");
    expect(digestPrefix("01234")).toBeUndefined();
    expect(digestPrefix(`app@sha256:${hex}`)).toBe(hex);
    expect(parseReference("abcdef")).toEqual({ tag: "abcdef:latest", hex: "abcdef" });
    expect(() => parseReference("sha256:xyz")).toThrow(expect.objectContaining({ code: "INVALID_IMAGE_REF" }));
    expect(() => parseReference("sha256:../../x")).toThrow(expect.objectContaining({ code: "INVALID_IMAGE_REF" }));
  });
});
