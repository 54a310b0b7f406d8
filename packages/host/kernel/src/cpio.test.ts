import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

function listing(archive: Buffer): string[] {
  const result = spawnSync("cpio", ["-itv", "--numeric-uid-gid"], { input: archive, encoding: "utf8" });
  expect(result.status).toBe(0);
  return result.stdout.trim().split("\n");
}

describe("newc archive", () => {
  it("is listed by cpio with types, modes and device numbers", () => {
    const lines = listing(
      cpioArchive([
        { type: "directory", name: "dev", mode: 0o755 },
        { type: "device", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
        { type: "file", name: "init", mode: 0o755, content: Buffer.from("#!/bin/sh\n") },
      ]),
    );
    expect(lines[0]).toMatch(/^drwxr-xr-x\s+2 0\s+0\s+0 .* dev$/);
    expect(lines[1]).toMatch(/^crw-------\s+1 0\s+0\s+5,\s+1 .* dev\/console$/);
    expect(lines[2]).toMatch(/^-rwxr-xr-x\s+1 0\s+0\s+10 .* init$/);
  });

  it("gives cpio back the very bytes, whatever lengths names and contents have", () => {
    const folder = mkdtempSync(join(tmpdir(), "isthmus-cpio-"));
    try {
      const contents = fc.sample(fc.uint8Array({ maxLength: 5000 }), { numRuns: 40, seed: 7 });
      const entries: CpioEntry[] = contents.map((content, index) => ({
        type: "file",
        name: `${"n".repeat((index % 17) + 1)}${index}`,
        mode: 0o644,
        content,
      }));
      const result = spawnSync("cpio", ["-i", "--quiet"], { cwd: folder, input: cpioArchive(entries) });
      expect(result.stderr.toString()).toBe("");
      for (const [index, entry] of entries.entries()) {
        expect(Buffer.from(contents[index] ?? []).equals(readFileSync(join(folder, entry.name)))).toBe(true);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is the same for the same entries", () => {
    const entries: CpioEntry[] = [{ type: "file", name: "a", mode: 0o644, content: Buffer.from("x") }];
    expect(cpioArchive(entries).equals(cpioArchive(entries))).toBe(true);
  });
});
