import { statfs } from "node:fs/promises";
import { IsthmusError } from "@isthmus/contract";
import { BUILD_NAME, BUILD_SPACE_BYTES, PROBE_DEADLINE_MS } from "./config.ts";
import { runProgram } from "./program.ts";

/** A program or header that the build uses, how to see whether it is there, and the Debian package it comes in. */
const needs: readonly { readonly program: string; readonly args: readonly string[]; readonly package: string }[] = [
  { program: "gcc", args: ["--version"], package: "gcc" },
  { program: "make", args: ["--version"], package: "make" },
  { program: "ld", args: ["--version"], package: "binutils" },
  { program: "flex", args: ["--version"], package: "flex" },
  { program: "bison", args: ["--version"], package: "bison" },
  { program: "bc", args: ["--version"], package: "bc" },
  { program: "tar", args: ["--version"], package: "tar" },
  { program: "xz", args: ["--version"], package: "xz-utils" },
  { program: "lz4", args: ["--version"], package: "lz4" },
  { program: "nice", args: ["--version"], package: "coreutils" },
  { program: "setpriv", args: ["--version"], package: "util-linux" },
  { program: "gcc", args: ["-fsyntax-only", "-x", "c", "-include", "libelf.h", "/dev/null"], package: "libelf-dev" },
  { program: "gcc", args: ["-fsyntax-only", "-x", "c", "-include", "openssl/opensslv.h", "/dev/null"], package: "libssl-dev" },
];

/** Debian packages that the build needs and this host lacks. */
export async function missingPackages(env?: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<readonly string[]> {
  const found = await Promise.all(
    needs.map(async (need) => {
      const result = await runProgram(need.program, need.args, { deadlineMs: PROBE_DEADLINE_MS, env, signal });
      return result.code === 0 ? [] : [need.package];
    }),
  );
  return [...new Set(found.flat())];
}

/** Throws DISK_FULL when `folder` has no room for the unpacked source and its objects. */
export async function checkSpace(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < BUILD_SPACE_BYTES) throw new IsthmusError("DISK_FULL", { what: BUILD_NAME });
}
