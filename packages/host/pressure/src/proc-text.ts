import { readFileSync } from "node:fs";

/** Reads a file of /proc; undefined when there is none. Tests give their own. */
export type ProcText = (path: string) => string | undefined;

export const procText: ProcText = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

/** The number behind `name`, as meminfo, vmstat and io of /proc write it; 0 when it is not there. */
export function numberAfter(text: string, name: string): number {
  return Number(new RegExp(`^${name}:?\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
}
