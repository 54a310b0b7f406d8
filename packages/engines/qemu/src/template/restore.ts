import { RESTORE_DEADLINE_MS, STATE_FD } from "../config.ts";
import type { Monitor } from "../monitor.ts";

/**
 * Loads the device state that a process started with `-incoming defer` has open as `STATE_FD`, into the memory file it was started with, and lets the
 * guest run. A host that connects to one of the guest's ports before that goes unnoticed. Throws HOST_COMMAND_FAILED, PROTOCOL, TIMEOUT.
 */
export async function restoreState(monitor: Monitor): Promise<void> {
  await monitor.migrate("migrate-incoming", `fd:${STATE_FD}`, RESTORE_DEADLINE_MS);
  await monitor.execute("cont");
}
