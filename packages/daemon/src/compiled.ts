import { flushCompileCache } from "node:module";
import process from "node:process";

/** set for the second start, so that a cache that cannot be written costs one start more and no loop */
const MARK = "ISTHMUS_COMPILED";

/**
 * The first start after an installation or an update strips and compiles everything, and the memory that this took is never given back: the code is kept,
 * and this process starts anew with it, under the same process id. To be called before anything is opened.
 */
export async function startAnewIfCompiled(): Promise<void> {
  const again = process.env[MARK] !== undefined;
  delete process.env[MARK];
  if (again || !hasStripped() || !process.execve) return;
  // What is loaded only when it is asked for is to be found compiled as well.
  await Promise.all([import("@isthmus/host-doctor"), import("@isthmus/door-http/openapi")]);
  flushCompileCache();
  const argv = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, argv, { ...process.env, [MARK]: "1" });
}

/** Whether this process had to load Node's stripper of types. */
function hasStripped(): boolean {
  const loaded: unknown = "moduleLoadList" in process ? process.moduleLoadList : [];
  return Array.isArray(loaded) && loaded.some((name) => String(name).includes("amaro"));
}
