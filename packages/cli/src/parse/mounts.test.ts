import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { mounts } from "./mounts.ts";

const one = (flag: "volume" | "mount", text: string) => (flag === "volume" ? mounts([text]) : mounts([], [text]))?.[0];

describe("-v and --mount", () => {
  it.each([
    ["volume", "data:/srv/data", { type: "volume", source: "data", path: "/srv/data" }],
    ["volume", "data:/srv:ro", { type: "volume", source: "data", path: "/srv", readOnly: true }],
    ["volume", "data:/srv:rw", { type: "volume", source: "data", path: "/srv" }],
    ["volume", "/srv", { type: "volume", path: "/srv" }],
    ["volume", "/home/x:/srv:ro", { type: "bind", source: "/home/x", path: "/srv", readOnly: true }],
    ["volume", "./x:/srv", { type: "bind", source: resolve("x"), path: "/srv" }],
    ["mount", "type=bind,source=/home/x,target=/srv", { type: "bind", source: "/home/x", path: "/srv" }],
    ["mount", "type=volume,source=data,target=/srv", { type: "volume", source: "data", path: "/srv" }],
    [
      "mount",
      "src=data,dst=/srv,readonly,size=20g",
      { type: "volume", source: "data", path: "/srv", readOnly: true, sizeBytes: 20 * 1024 ** 3 },
    ],
    ["mount", "destination=/srv,readonly=false", { type: "volume", path: "/srv" }],
  ] as const)("%s %s", (flag, text, expected) => {
    expect(one(flag, text)).toEqual(expected);
  });

  it.each([
    ["volume", "data"],
    ["volume", "data:srv"],
    ["volume", "data:/srv:rx"],
    ["volume", "a:b:c:d"],
    ["volume", ":/srv"],
    ["mount", "source=data"],
    ["mount", "type=tmpfs,target=/x"],
    ["mount", "type=bind,target=/x"],
    ["mount", "target=/x,colour=red"],
    ["mount", "target=/x,readonly=perhaps"],
    ["mount", "target=/x,size=1"],
  ] as const)("refuse %s %s", (flag, text) => {
    expect(() => one(flag, text)).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
  });

  it("leave a spec without mounts as it is", () => {
    expect(mounts(undefined, undefined)).toBeUndefined();
  });
});
