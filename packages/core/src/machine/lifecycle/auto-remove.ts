import { can } from "@isthmus/contract";
import { AUTO_REMOVE_HOLD_MS, AUTO_REMOVE_LINGER_ADOPTED_MS, AUTO_REMOVE_LINGER_MS } from "../config.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import { deleteMachine } from "./delete.ts";

/**
 * Removes an auto-removed machine that has ended: as soon as a client has read its output to the end, else after a moment for one that is on its way.
 * Readers hold the removal up, a bounded time.
 */
export function scheduleRemoval(context: Context, handle: Handle): void {
  const { clock } = context;
  handle.setTimer(
    "linger",
    clock.after(handle.adopted ? AUTO_REMOVE_LINGER_ADOPTED_MS : AUTO_REMOVE_LINGER_MS, () => {
      handle.outputSeen = true;
      removeWhenRead(context, handle);
    }),
  );
  handle.setTimer(
    "hold",
    clock.after(AUTO_REMOVE_HOLD_MS, () => removeNow(context, handle)),
  );
  removeWhenRead(context, handle);
}

/** Called as well when a reader of the output leaves. */
export function removeWhenRead(context: Context, handle: Handle): void {
  if (handle.readers === 0 && handle.outputSeen) removeNow(context, handle);
}

function removeNow(context: Context, handle: Handle): void {
  if (handle.removed || context.closing.signal.aborted) return;
  handle.queue
    .internal(async () => {
      if (handle.removed) return;
      const { machine, boot } = context.store.machine(handle.id);
      if (machine.spec.autoRemove === true && boot.desired === "stopped" && machine.state !== "requested" && can("remove", machine.state)) {
        await deleteMachine(context, handle, true);
      }
    })
    .catch((error: unknown) => context.log.warn({ machine: handle.id, err: error }, "could not remove a machine by itself"));
}
