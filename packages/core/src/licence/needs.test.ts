import type { Image, LicencePoolSpec } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { productsNeeded, resolveLicences } from "./needs.ts";
import { NOW, pool } from "./pool.fixture.ts";
import { resolvePool } from "./pool-terms.ts";

function image(label?: string): Image {
  const labels: Record<string, string> = label === undefined ? {} : { "org.isthmus.licences": label };
  const config = { entrypoint: [], cmd: [], env: [], workdir: "", user: "", exposedPorts: [], volumes: [], labels };
  return {
    digest: "sha256:d",
    tags: [],
    architecture: "amd64",
    os: "linux",
    createdAt: "",
    sizeBytes: 1,
    rootfsBytes: 1,
    rootfsFormat: "squashfs",
    layers: [],
    config,
    builtIn: false,
  };
}

describe("what a machine needs", () => {
  it("is named by its spec, its label and its image, each product once", () => {
    const spec = { image: "x", licences: ["b"], labels: { "org.isthmus.licences": "c, b" } };
    expect(resolveLicences(spec, image("a c"))).toEqual(["a", "b", "c"]);
    expect(resolveLicences({ image: "x" }, image())).toEqual([]);
    expect(() => resolveLicences({ image: "x" }, image("a,$(b)"))).toThrow(/image label org.isthmus.licences is not valid/);
    const many = Array.from({ length: 17 }, (_, at) => `p${at}`);
    expect(() => resolveLicences({ image: "x", licences: many }, image())).toThrow(expect.objectContaining({ code: "TOO_LARGE" }));
  });

  it("is also what pools say of its image", () => {
    const needs = (patterns: string[], ref: string) =>
      productsNeeded({ image: ref }, "sha256:abc", [pool({ images: patterns })]).length > 0;
    for (const [pattern, ref] of [
      ["oracle", "oracle"],
      ["oracle", "oracle:19"],
      ["oracle:*", "oracle"],
      ["*", "x"],
      ["or*le:1?".replace("?", "*"), "oracle:19"],
      ["sha256:abc", "anything"],
    ] as const)
      expect(needs([pattern], ref), `${pattern} ${ref}`).toBe(true);
    for (const [pattern, ref] of [
      ["oracle", "oracle-xe"],
      ["oracle:19", "oracle:21"],
      ["oracle:19", "oracle"],
      ["a*a", "a:1"],
      ["sha256:abd", "x"],
    ] as const)
      expect(needs([pattern], ref), `${pattern} ${ref}`).toBe(false);
  });
});

describe("the terms of a pool", () => {
  const spec: LicencePoolSpec = { product: "p", metric: "per-machine", seats: 1 };
  const refusals: readonly (readonly [string, Partial<LicencePoolSpec>, string])[] = [
    ["an end before the begin", { validFrom: "2026-02-01T00:00:00Z", validTo: "2026-01-01T00:00:00Z" }, "validTo"],
    ["a minimum where nothing has one", { minimumPerMachine: 2 }, "minimumPerMachine"],
    ["grace seats of a hard limit", { graceSeats: 1 }, "graceSeats"],
    ["grace of a hard limit", { graceMs: 1, limit: "hard" }, "graceMs"],
    ["seats at work that a suspended machine keeps", { metric: "concurrent", onSuspend: "keep" }, "onSuspend"],
  ];
  for (const [name, over, field] of refusals) {
    it(`refuse ${name}`, () => {
      expect(() => resolvePool({ ...spec, ...over }, NOW)).toThrow(
        expect.objectContaining({ code: "INVALID_REQUEST", details: expect.objectContaining({ field }) }),
      );
    });
  }

  it("refuse names that are none, and a word of the API", () => {
    for (const name of ["", "a/b", "report"])
      expect(() => resolvePool({ ...spec, name }, NOW)).toThrow(expect.objectContaining({ code: "INVALID_NAME" }));
  });

  it("keep product, metric and age when they are changed", () => {
    const earlier = resolvePool(spec, NOW);
    const later = resolvePool({ ...spec, seats: 5 }, NOW + 1000, earlier);
    expect([later.createdAt, later.seats]).toEqual([earlier.createdAt, 5]);
    expect(() => resolvePool({ ...spec, metric: "concurrent" }, NOW, earlier)).toThrow(/the pool's is per-machine/);
  });
});
