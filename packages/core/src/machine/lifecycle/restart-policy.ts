import type { MachineExit, MachineSpec } from "@isthmus/contract";
import { RESTART_DELAY_FIRST_MS, RESTART_DELAY_MAX_MS, RESTART_RESET_MS } from "../config.ts";

export interface Ended {
  readonly restart: MachineSpec["restart"];
  /** undefined when the machine did not start */
  readonly exit: MachineExit | undefined;
  /** false after a stop or kill by the user, and after the time to live */
  readonly wanted: boolean;
  readonly ranMs: number;
  /** restarts before this end without a long enough run in between: they make the back-off */
  readonly attempts: number;
  /** all restarts since the user's start: what `maxRetries` counts */
  readonly restarts: number;
}

/** ms until the machine starts again and the count to remember, or undefined when it stays as it is. Pure. */
export function nextRestart(ended: Ended): { readonly delayMs: number; readonly attempts: number } | undefined {
  const policy = ended.restart?.policy ?? "no";
  if (!ended.wanted || policy === "no") return undefined;
  // As docker's: what fails is the workload or its process, not the host that goes away under it.
  if (policy === "on-failure" && ended.exit?.reason === "host-rebooted") return undefined;
  const attempts = ended.ranMs >= RESTART_RESET_MS ? 0 : ended.attempts;
  if (policy === "on-failure") {
    if (ended.exit !== undefined && ended.exit.code === 0) return undefined;
    const most = ended.restart?.maxRetries;
    if (most !== undefined && ended.restarts >= most) return undefined;
  }
  const delayMs = Math.min(RESTART_DELAY_MAX_MS, RESTART_DELAY_FIRST_MS * 2 ** Math.min(attempts, 30));
  return { delayMs, attempts: attempts + 1 };
}
