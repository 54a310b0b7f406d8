import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

const AUTOGROUP = "/proc/self/autogroup";

/** Three times the weight of what has none: a few machines' worth of processors for a control plane that needs little of them, and soon. */
const AUTOGROUP_NICENESS = -5;

/**
 * Has the kernel give this process's session more of the processors than it gives other sessions (sched(7), "The autogroup feature"): a daemon among many
 * machines that start waits in the queue of the processors else, and all its callers with it. Only root may, only a session of its own is raised, and a
 * service has its weight from its manager; false where it was not done.
 */
export function takePrecedence(): boolean {
  try {
    const session = readFileSync("/proc/self/stat", "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")[3];
    if (Number(session) !== process.pid) return false;
    writeFileSync(AUTOGROUP, String(AUTOGROUP_NICENESS));
    return true;
  } catch {
    return false;
  }
}
