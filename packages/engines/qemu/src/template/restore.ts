import { RESTORE_DEADLINE_MS, STATE_FD } from "../config.ts";
import type { Monitor } from "../monitor/monitor.ts";

/**
 * Loads the device state that a process started with `-incoming defer` has open as `STATE_FD`, into the memory file it was started with; the guest stands still.
 * Throws HOST_COMMAND_FAILED, PROTOCOL, TIMEOUT.
 */
export async function loadState(monitor: Monitor): Promise<void> {
  await monitor.incoming(`fd:${STATE_FD}`, RESTORE_DEADLINE_MS);
}

/** The same, and lets the guest run. A host that connects to one of the guest's ports before that goes unnoticed. */
export async function restoreState(monitor: Monitor): Promise<void> {
  await loadState(monitor);
  await monitor.execute("cont");
}
