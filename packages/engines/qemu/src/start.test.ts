import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIB } from "@isthmus/contract";
import type { StartPlan } from "@isthmus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileNames } from "./config.ts";
import { VmmProcess } from "./process/vmm-process.ts";
import { watchOf } from "./start.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "isthmus-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function told(memoryBytes: number): Promise<string> {
  const plan: Pick<StartPlan, "folder" | "name" | "memoryBytes"> = { folder, name: "web", memoryBytes };
  const vmm = VmmProcess.adopted(process.pid, "0");
  const error = await watchOf(plan as StartPlan, vmm, AbortSignal.timeout(60_000)).early("exit status 0");
  vmm.release();
  return String(error);
}

describe("a guest that ends before it answers", () => {
  it("is told with its memory when that is little", async () => {
    expect(await told(64 * MIB)).toMatch(
      /web did not start: its guest ended before it answered \(QEMU: exit status 0\), without a word on its console; 64\.0 MiB of memory may be too little/,
    );
    expect(await told(512 * MIB)).not.toMatch(/too little/);
  });

  it("is told with the end of its console", async () => {
    await writeFile(join(folder, fileNames.console), "early\r\none\r\ntwo\r\nKernel panic\r\n");
    expect(await told(512 * MIB)).toMatch(/last words on its console: one \/ two \/ Kernel panic$/);
    await writeFile(join(folder, fileNames.vmmLog), "qemu-system-x86_64: cannot open it\n");
    expect(await told(512 * MIB)).toMatch(/did not start: cannot open it$/);
  });
});
