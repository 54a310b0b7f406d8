import { HOLD_AFTER_MS, HOLD_FIRST_MS } from "./config.ts";

/**
 * True while what a request needs is set aside for it. A request that does not fit lets others pass for `HOLD_AFTER_MS`; then what becomes free is kept
 * for it, in holds of twice the length each with a rest of the same length after each, so that a large one comes to its turn and does not stop the
 * small ones for ever. Pure.
 */
export function isOnHold(waitedMs: number): boolean {
  let since = waitedMs - HOLD_AFTER_MS;
  for (let lengthMs = HOLD_FIRST_MS; since >= 0; lengthMs *= 2) {
    if (since < lengthMs) return true;
    since -= 2 * lengthMs;
  }
  return false;
}
