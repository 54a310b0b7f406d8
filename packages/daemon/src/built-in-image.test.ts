import { IsthmusError } from "@isthmus/contract";
import type { ImageStore } from "@isthmus/core";
import { describe, expect, it } from "vitest";
import { withBuiltIn } from "./built-in-image.ts";
import { busybox } from "./lifecycle/fake-host.fixture.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function storeOf(present: Set<string>): ImageStore {
  const unused = async () => {
    throw new IsthmusError("INTERNAL", { reason: "not part of this test" });
  };
  return {
    async resolve(ref) {
      if (present.has(ref)) return busybox;
      throw new IsthmusError("IMAGE_NOT_FOUND", { ref });
    },
    list: async () => [busybox],
    importTar: unused,
    loadArchive: unused,
    pull: unused,
    push: unused,
    save: unused,
    history: unused,
    prune: unused,
    tag: unused,
    remove: unused,
  };
}

describe("the built-in image", () => {
  it("is waited for by those who need it, and by nobody else", async () => {
    const present = new Set(["other"]);
    const making = Promise.withResolvers<void>();
    const images = withBuiltIn(storeOf(present), () => making.promise, silent);
    expect(await images.resolve("other")).toBe(busybox);
    const waiting = images.resolve("busybox");
    present.add("busybox");
    making.resolve();
    expect(await waiting).toBe(busybox);
  });

  it("is there again for whoever asks for it after it was removed", async () => {
    const present = new Set<string>();
    let times = 0;
    const make = async () => {
      times += 1;
      present.add("busybox");
    };
    const images = withBuiltIn(storeOf(present), make, silent);
    await images.list();
    present.delete("busybox");
    expect(await images.resolve("busybox")).toBe(busybox);
    await expect(images.resolve("another")).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    expect(times).toBe(2);
  });

  it("does not keep the daemon from working when it cannot be made", async () => {
    const failed = async () => {
      throw new IsthmusError("ENGINE_MISSING", { program: "busybox", package: "busybox-static" });
    };
    const images = withBuiltIn(storeOf(new Set()), failed, silent);
    await expect(images.resolve("busybox")).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    expect(await images.list()).toHaveLength(1);
  });
});
