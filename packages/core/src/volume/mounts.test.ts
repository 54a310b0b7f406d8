import { type Image, limits, type MachineSpec } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { resolveMounts, volumesOf } from "./mounts.ts";

const config = { entrypoint: [], cmd: [], env: [], workdir: "", user: "", exposedPorts: [], labels: {} };
const image = (...volumes: string[]): Image => ({
  digest: "sha256:1",
  tags: [],
  architecture: "amd64",
  os: "linux",
  createdAt: "",
  sizeBytes: 1,
  rootfsBytes: 1,
  rootfsFormat: "squashfs",
  layers: [],
  config: { ...config, volumes },
  builtIn: false,
});
const spec = (...mounts: NonNullable<MachineSpec["mounts"]>): MachineSpec => ({ image: "x", mounts });
const volume = (source: string | undefined, path: string, more = {}) => ({
  type: "volume" as const,
  path,
  ...(source && { source }),
  ...more,
});

describe("mounts", () => {
  it("have tidy paths, and those of the image are added where nothing is mounted", () => {
    const given = spec(volume("data", "//srv/./data/"));
    expect(resolveMounts(given, image("/srv/data", "/logs", "/logs/", "/tmp/x"), [{ path: "/tmp/x" }])).toEqual([
      volume("data", "/srv/data"),
      volume(undefined, "/logs"),
    ]);
  });

  it.each([
    ["a path that leaves its folder", [volume("a", "/x/../y")], "mounts[0].path"],
    ["the root", [volume("a", "/")], "mounts[0].path"],
    ["a folder that the guest needs", [volume("a", "/proc/x")], "mounts[0].path"],
    ["a path twice", [volume("a", "/x"), volume("b", "/x/")], "mounts[1].path"],
    ["the path of a tmpfs", [volume("a", "/tmp")], "mounts[0].path"],
    ["a volume twice", [volume("a", "/x"), volume("a", "/y", { readOnly: true })], "mounts[1].source"],
    ["a path of the host that is not absolute", [{ type: "bind" as const, source: "x", path: "/x" }], "mounts[0].source"],
    ["a path of the host with a size", [{ type: "bind" as const, source: "/x", path: "/x", sizeBytes: 1 }], "mounts[0].sizeBytes"],
    ["an anonymous volume that is only read", [volume(undefined, "/x", { readOnly: true })], "mounts[0].readOnly"],
  ])("are refused: %s", (_name, mounts, field) => {
    expect(() => resolveMounts(spec(...mounts), image(), [{ path: "/tmp" }])).toThrow(
      expect.objectContaining({ code: "INVALID_REQUEST", details: expect.objectContaining({ field }) }),
    );
  });

  it("refuse a bad name, and more than a machine has places for", () => {
    expect(() => resolveMounts(spec(volume("../x", "/x")), image(), [])).toThrow(expect.objectContaining({ code: "INVALID_NAME" }));
    const many = Array.from({ length: limits.mounts }, (_, index) => volume(`v${index}`, `/v${index}`));
    expect(resolveMounts(spec(...many), image(), [])).toHaveLength(limits.mounts);
    expect(() => resolveMounts(spec(...many), image("/more"), [])).toThrow(expect.objectContaining({ code: "TOO_LARGE" }));
  });

  it("number their volumes, which is how the guest finds them", () => {
    expect(volumesOf(spec(volume("a", "/a"), volume("b", "/b", { readOnly: true })))).toEqual([
      { name: "a", path: "/a", readOnly: false, index: 0 },
      { name: "b", path: "/b", readOnly: true, index: 1 },
    ]);
  });
});
