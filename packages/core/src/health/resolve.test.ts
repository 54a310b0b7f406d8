import type { Image } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { resolveHealthcheck } from "./resolve.ts";

function image(healthcheck?: Image["config"]["healthcheck"]): Image {
  const config = { entrypoint: [], cmd: ["sh"], env: [], workdir: "", user: "", exposedPorts: [], volumes: [], labels: {}, healthcheck };
  const rest = {
    architecture: "amd64",
    os: "linux",
    createdAt: "",
    sizeBytes: 1,
    rootfsBytes: 1,
    rootfsFormat: "squashfs" as const,
    layers: [],
    builtIn: false,
  };
  return { digest: "sha256:a", tags: [], ...rest, config };
}
const shell = ["CMD-SHELL", "true"];

describe("the health check of a machine", () => {
  it("is the image's with docker's defaults, changed by the spec figure by figure", () => {
    expect(resolveHealthcheck(undefined, image({ test: shell, timeoutMs: 0.5 }))).toEqual({
      test: shell,
      intervalMs: 30_000,
      timeoutMs: 100,
      retries: 3,
      startPeriodMs: 0,
      startIntervalMs: 5000,
    });
    expect(resolveHealthcheck({ retries: 7 }, image({ test: shell, retries: 2, intervalMs: 1500 }))).toMatchObject({
      test: shell,
      retries: 7,
      intervalMs: 1500,
    });
    expect(resolveHealthcheck({ test: ["CMD", "x"] }, image({ test: shell }))?.test).toEqual(["CMD", "x"]);
  });

  it.each([
    [undefined, undefined],
    [{ test: ["NONE"] }, { test: shell }],
    [undefined, { test: ["NONE"] }],
    [undefined, { test: ["SOMETHING", "else"] }],
  ])("is none with %j over %j", (asked, ofImage) => {
    expect(resolveHealthcheck(asked, image(ofImage))).toBeUndefined();
  });

  it.each([{ retries: 1 }, { test: ["true"] }, { test: ["CMD"] }, { test: ["CMD-SHELL", "a", "b"] }, { test: ["CMD", ""] }])(
    "cannot be %j",
    (asked) => {
      expect(() => resolveHealthcheck(asked, image())).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
    },
  );
});
