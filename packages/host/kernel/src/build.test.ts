import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lostOptions, parseConfig } from "./kconfig.ts";
import { createKernels } from "./mod.ts";

const fragment = readFileSync(new URL("../../../../guest/kernel/microvm.config", import.meta.url), "utf8");

describe("configuration fragment", () => {
  it("sets no option twice and holds nothing but options, comments and empty lines", () => {
    const lines = fragment.split("\n").filter((line) => line !== "");
    const options = lines.filter((line) => /^CONFIG_|is not set$/.test(line));
    expect(parseConfig(fragment).size).toBe(options.length);
    expect(lines.filter((line) => !line.startsWith("#") && !/^CONFIG_\w+=\S+$/.test(line))).toEqual([]);
  });

  it("is checked line by line against what Kconfig made of it", () => {
    const wanted = 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=32\nCONFIG_D="x"\nCONFIG_E=y\n# CONFIG_F is not set\n';
    expect(lostOptions(wanted, 'CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=64\nCONFIG_D="x"\n')).toEqual(["CONFIG_B=n", "CONFIG_C=32", "CONFIG_E=y"]);
  });
});

describe("building a kernel", () => {
  it("names the packages to install when tools are missing", async () => {
    const home = mkdtempSync(join(tmpdir(), "isthmus-build-"));
    try {
      const kernels = createKernels({
        folder: home,
        agentPath: join(home, "agent"),
        fragmentPath: join(home, "none"),
        root: home,
        env: { PATH: home },
      });
      const failed = kernels.build(() => undefined);
      await expect(failed).rejects.toMatchObject({ code: "KERNEL_BUILD_FAILED" });
      await expect(failed).rejects.toThrow(/apt-get install gcc make .*flex bison bc .*libelf-dev libssl-dev/);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
