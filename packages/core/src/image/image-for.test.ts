import { type Image, IsthmusError } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { imageFor } from "./image-for.ts";

const image: Image & { readonly rootfsPath: string } = {
  digest: `sha256:${"a".repeat(64)}`,
  tags: ["app:latest"],
  architecture: "amd64",
  os: "linux",
  createdAt: "2026-01-01T00:00:00Z",
  sizeBytes: 1,
  rootfsBytes: 1,
  rootfsFormat: "squashfs",
  layers: [],
  config: { entrypoint: [], cmd: [], env: [], workdir: "", user: "", exposedPorts: [], volumes: [], labels: {} },
  builtIn: false,
  rootfsPath: "/r",
};

/** A store that holds `here`, and a registry that has `there`. */
function storeOf(here: readonly string[], there: readonly string[]) {
  const present = new Set(here);
  const pulled: string[] = [];
  return {
    pulled,
    async resolve(ref: string) {
      if (!present.has(ref)) throw new IsthmusError("IMAGE_NOT_FOUND", { ref });
      return image;
    },
    async pull(ref: string) {
      pulled.push(ref);
      if (ref.startsWith("sha256:")) throw new IsthmusError("INVALID_IMAGE_REF", { value: ref, reason: "no registry" });
      if (!there.includes(ref)) throw new IsthmusError("REGISTRY_NO_IMAGE", { registry: "r", ref });
      present.add(image.digest);
      return image;
    },
  };
}

describe("the image of a new machine", () => {
  it.each([
    ["missing", ["app"], [], []],
    ["missing", [], ["app"], ["app"]],
    ["always", ["app"], ["app"], ["app"]],
    ["never", ["app"], ["app"], []],
  ] as const)("with pull=%s, here %j and there %j, is had after pulls of %j", async (pull, here, there, pulls) => {
    const store = storeOf(here, there);
    expect(await imageFor(store, "app", { pull })).toBe(image);
    expect(store.pulled).toEqual(pulls);
  });

  it.each([
    ["never", [], ["app"], "app", "IMAGE_NOT_FOUND"],
    [undefined, [], ["app"], "app", "IMAGE_NOT_FOUND"],
    ["missing", [], [], "app", "REGISTRY_NO_IMAGE"],
    ["always", ["app"], [], "app", "REGISTRY_NO_IMAGE"],
    ["missing", [], [], "sha256:abcdef", "IMAGE_NOT_FOUND"],
  ] as const)("with pull=%s, here %j and there %j, is not had of %s: %s", async (pull, here, there, ref, code) => {
    await expect(imageFor(storeOf(here, there), ref, { pull })).rejects.toMatchObject({ code });
  });
});
