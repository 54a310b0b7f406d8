import { type Image, limits } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { resolveLabels } from "./labels.ts";

function imageWith(labels: Record<string, string>): Image {
  return {
    digest: `sha256:${"a".repeat(64)}`,
    tags: [],
    architecture: "amd64",
    os: "linux",
    createdAt: "2026-01-01T00:00:00Z",
    sizeBytes: 1,
    rootfsBytes: 1,
    rootfsFormat: "squashfs",
    layers: [],
    config: { entrypoint: [], cmd: [], env: [], workdir: "", user: "", exposedPorts: [], volumes: [], labels },
    builtIn: false,
  };
}

describe("a machine's labels", () => {
  it("are the image's and its own, which win", () => {
    const notes: string[] = [];
    const image = imageWith({ a: "image", b: "image" });
    expect(resolveLabels({ image: "x", labels: { b: "own", c: "own" } }, image, notes)).toEqual({
      labels: { a: "image", b: "own", c: "own" },
    });
    expect(resolveLabels({ image: "x" }, image, notes)).toEqual({ labels: { a: "image", b: "image" } });
    expect(resolveLabels({ image: "x" }, imageWith({}), notes)).toEqual({});
    expect(resolveLabels({ image: "x", labels: {} }, imageWith({}), notes)).toEqual({ labels: {} });
    expect(notes).toEqual([]);
  });

  it("leave out what of the image's is too long or too much, and say so", () => {
    const many = Object.fromEntries(Array.from({ length: limits.labels }, (_, n) => [`k${n}`, "v"]));
    const notes: string[] = [];
    const { labels } = resolveLabels(
      { image: "x", labels: { own: "1" } },
      imageWith({ long: "v".repeat(limits.labelValueChars + 1), ...many }),
      notes,
    );
    expect(Object.keys(labels ?? {})).toHaveLength(limits.labels);
    expect(labels).toMatchObject({ own: "1", k0: "v" });
    expect(notes).toEqual(["2 of the image's labels are over the limits of labels and are left out"]);
  });
});
