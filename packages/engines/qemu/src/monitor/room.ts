import { ROOM_LOOK_MS } from "../config.ts";
import type { Qmp } from "./qmp.ts";

/** QEMU's state of a guest that it stopped because its disk found no room (RunState of qapi/run-state.json). */
export const NO_ROOM = "io-error";

/**
 * QEMU stops a guest whose disk finds no room on the host, and leaves it to others to let it go on. Tries from time to time: while there is still no room, the
 * guest's write fails again and it is stopped again.
 */
export function goOnWhenThereIsRoom(qmp: Qmp): void {
  let waiting = false;
  const look = async () => {
    waiting = false;
    if (!qmp.open) return;
    const answer = await qmp.execute("query-status");
    if (typeof answer !== "object" || answer === null || Reflect.get(answer, "status") !== NO_ROOM) return;
    await qmp.execute("cont");
    later();
  };
  const later = () => {
    if (waiting) return;
    waiting = true;
    // When QEMU is gone or does not answer, another connection begins anew.
    setTimeout(() => void look().catch(() => {}), ROOM_LOOK_MS).unref();
  };
  qmp.onEvent("BLOCK_IO_ERROR", later);
  later();
}
