import { readFileSync } from "node:fs";

/** Whether a process of this id does anything; one that has ended and waits for its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^ Z/.test(stat.slice(stat.lastIndexOf(")") + 1));
  } catch {
    return false;
  }
}
