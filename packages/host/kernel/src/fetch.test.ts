import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Progress } from "@isthmus/contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { aptWith, METAPACKAGE_DEPENDENCY, RELEASE, write } from "./debian.fixture.ts";
import { createKernels } from "./mod.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "isthmus-fetch-"));
  write(join(home, "agent"), "agent");
  write(join(home, "isthmus-task"), "tar");
});
afterEach(() => rmSync(home, { recursive: true }));

const make = (env: NodeJS.ProcessEnv) =>
  createKernels({
    folder: join(home, "kernels"),
    agentPath: join(home, "agent"),
    fragmentPath: join(home, "none"),
    root: join(home, "none"),
    env,
  });

describe("fetching Debian's kernel", () => {
  it("downloads the package that the metapackage names and keeps what a guest needs", async () => {
    const steps: Progress[] = [];
    const kernels = make(aptWith(home));
    const kernel = await kernels.fetch((progress) => steps.push(progress));
    expect(kernel).toMatchObject({ version: RELEASE, source: "debian", selected: true });
    expect([...new Set(steps.map(({ step }) => step))]).toEqual(["resolve", "download", "unpack", "install"]);
    const order = readFileSync(join(kernel.path, "../modules/order"), "utf8").trim().split("\n");
    expect(order).toContain("virtio_blk.ko");
    expect(order).not.toContain("useless.ko");
    expect(readdirSync(join(home, "kernels"))).toEqual(expect.not.arrayContaining([expect.stringMatching(/^\.tmp/)]));
    expect((await kernels.resolve()).version).toBe(RELEASE);
  });

  it("does not download again what is here", async () => {
    const kernels = make(aptWith(home));
    const first = await kernels.fetch(() => undefined);
    const steps: string[] = [];
    expect(await kernels.fetch(({ step }) => steps.push(step))).toEqual(first);
    expect(steps).not.toContain("download");
  });

  it("says that the package lists are empty, and what to do", async () => {
    const failed = make(aptWith(home, { empty: true })).fetch(() => undefined);
    await expect(failed).rejects.toMatchObject({ code: "KERNEL_FETCH_FAILED", remedy: expect.stringContaining("apt-get update") });
    await expect(failed).rejects.toThrow(/package lists/);
  });

  it("gives apt's own words when the archive cannot be reached, and leaves nothing behind", async () => {
    const env = aptWith(home);
    rmSync(join(home, "repo", `${METAPACKAGE_DEPENDENCY}.deb`));
    const failed = make(env).fetch(() => undefined);
    await expect(failed).rejects.toMatchObject({ code: "KERNEL_FETCH_FAILED" });
    await expect(failed).rejects.toThrow(/No such file|Failed to fetch|File not found/);
    expect(readdirSync(join(home, "kernels"))).toEqual([]);
  });

  it("refuses a kernel that lacks modules a guest needs", async () => {
    await expect(make(aptWith(home, { without: ["squashfs"] })).fetch(() => undefined)).rejects.toThrow(/lacks modules.*squashfs/);
  });

  it("says that apt is missing on a host without it", async () => {
    await expect(make({ PATH: home }).fetch(() => undefined)).rejects.toThrow(/apt-cache is not installed/);
  });

  it("stops when it is cancelled", async () => {
    await expect(make(aptWith(home)).fetch(() => undefined, AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
