import type { Health } from "@isthmus/contract";
import { CHECKS_KEPT } from "./config.ts";

type Check = Health["log"][number];

export const beginning: Health = { status: "starting", failingStreak: 0, log: [] };

/** What is known after one more check. `forgiven`: within the time after the start in which failures do not count. Pure. */
export function after(
  health: Health,
  check: Check,
  { retries, forgiven }: { readonly retries: number; readonly forgiven: boolean },
): Health {
  const log = [...health.log, check].slice(-CHECKS_KEPT);
  if (check.exitCode === 0) return { status: "healthy", failingStreak: 0, log };
  if (forgiven && health.status === "starting") return { ...health, log };
  const failingStreak = health.failingStreak + 1;
  return { status: failingStreak >= retries ? "unhealthy" : health.status, failingStreak, log };
}
