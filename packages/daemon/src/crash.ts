import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import process from "node:process";
import { IsthmusError } from "@isthmus/contract";
import { type Crashpoint, crashPoints } from "@isthmus/core";

/**
 * Ends this process with SIGKILL at the place that CRASH_AT names, or the file that it gives the path of, which may change meanwhile: fault tests only.
 * Throws CONFIG_INVALID for an unknown place.
 */
export function crashAt(name: string | undefined): Crashpoint | undefined {
  if (name === undefined) return undefined;
  const isFile = isAbsolute(name);
  if (!isFile && !crashPoints.some((point) => point === name)) {
    throw new IsthmusError("CONFIG_INVALID", { field: "CRASH_AT", value: name, reason: "there is no such crash point" });
  }
  return (point) => {
    if (point === (isFile ? readFileSync(name, "utf8") : name)) process.kill(process.pid, "SIGKILL");
  };
}
