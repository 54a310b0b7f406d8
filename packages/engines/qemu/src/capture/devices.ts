import { open } from "node:fs/promises";
import { SAVE_DEADLINE_MS } from "../config.ts";
import type { Monitor } from "../monitor/monitor.ts";

/**
 * Writes the state of all devices, without memory and disks, of a guest that is stopped, and syncs it. It is QEMU's own command for a hypervisor that saves memory by
 * itself (`xen-save-devices-state`, qapi/migration.json), whatever the accelerator; with `live` off it leaves the disks in use. Throws HOST_COMMAND_FAILED, PROTOCOL,
 * TIMEOUT.
 */
export async function saveDevices(monitor: Monitor, path: string): Promise<void> {
  await monitor.execute("xen-save-devices-state", { filename: path, live: false }, SAVE_DEADLINE_MS);
}

/** After a crash of the host a saved guest is whole or not there. */
export async function synced(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}
