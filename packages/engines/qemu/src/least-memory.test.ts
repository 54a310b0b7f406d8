import { type Kernel, MIB } from "@isthmus/contract";
import { expect, it } from "vitest";
import { checkMemory } from "./least-memory.ts";

const kernel = (source: Kernel["source"], selected = true): Kernel => ({
  source,
  version: "6.1.0-56",
  path: "/vmlinuz",
  digest: "sha256:0",
  sizeBytes: 1,
  selected,
});
const check = (cpus: number, mib: number, ...kernels: Kernel[]) => checkMemory({ cpus, memoryBytes: mib * MIB }, async () => kernels);
const others = [kernel("built", false)];

it("refuses what Debian's kernel does not boot with, with value, limit and what helps", async () => {
  await expect(check(1, 83, kernel("debian"), ...others)).rejects.toMatchObject({
    code: "INVALID_REQUEST",
    message:
      "memoryBytes is not valid: the guest kernel 6.1.0-56 needs 84.0 MiB to boot with 1 processor; one made with isthmus kernel build boots with that (given: 83.0 MiB)",
  });
  await expect(check(32, 86, kernel("built"))).rejects.toThrow("needs 87.0 MiB to boot with 32 processors (given: 86.0 MiB)");
  await expect(check(16, 102, kernel("debian"))).rejects.toMatchObject({
    details: { value: "102 MiB", reason: expect.stringContaining("needs 103 MiB to boot with 16 processors") },
  });
});

it("takes what that or another kernel boots with, and all that is not known to be too little", async () => {
  await check(1, 84, kernel("debian"));
  await check(32, 128, kernel("debian"));
  await check(8, 64, kernel("built"), kernel("debian", false));
  await check(32, 87, kernel("built"));
  await check(1, 64, kernel("configured"), kernel("debian", false));
  await check(1, 64);
});

it("looks for kernels only where it can matter", async () => {
  await checkMemory({ cpus: 1, memoryBytes: 128 * MIB }, () => Promise.reject(new TypeError("asked")));
});
