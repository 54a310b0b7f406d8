import path from "node:path";
import { fileURLToPath } from "node:url";
import type { DaemonPaths } from "./paths.ts";

/**
 * What keeps the daemon's memory small, by 20 MB of 124: a young generation of 1 MiB, one helper thread of V8, and no middle compiler, whose working memory
 * is never given back. None of it shows in the times of `ps` and `exec`.
 */
const MEMORY_FLAGS = ["--max-semi-space-size=1", "--v8-pool-size=1", "--no-maglev"] as const;

/** glibc keeps freed buffers of 64 KiB, in which archives are read, among its small blocks; mapped by themselves they are given back (mallopt(3), bytes). */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: "65536", MALLOC_TRIM_THRESHOLD_: "65536" } as const;

/** The daemon's program: from the bundle its neighbour there, from the source what lies beside the entry of its package (docs/adr/0006). */
export function daemonMain(): string {
  if (!import.meta.filename.endsWith(".ts")) return path.join(import.meta.dirname, "daemon.js");
  return fileURLToPath(new URL("main.ts", import.meta.resolve("@isthmus/daemon")));
}

/** Arguments for Node to run the daemon, or `main` in its place. */
export function daemonArguments(main: string = daemonMain()): readonly string[] {
  return ["--disable-warning=ExperimentalWarning", ...MEMORY_FLAGS, main];
}

/** `env`, with a place for compiled code where it names none, so that a start need not strip and compile TypeScript again, and small memory. */
export function daemonEnvironment(env: NodeJS.ProcessEnv, { home }: Pick<DaemonPaths, "home">): NodeJS.ProcessEnv {
  return { NODE_COMPILE_CACHE: path.join(home, "cache", "node"), ...MALLOC, ...env };
}
