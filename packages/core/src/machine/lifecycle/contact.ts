import { hasCode } from "@isthmus/contract";
import { CONTACT_RETRY_MS } from "../config.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import { requestResume } from "./suspend.ts";

/** While the machine is suspended, a connection to one of its ports resumes it; it is held until the machine has the port. Called when it has become suspended. */
export function awaitContact(context: Context, handle: Handle): void {
  const { machine } = context.store.machine(handle.id);
  const ports = machine.ports.filter(({ protocol }) => protocol === "tcp");
  if (machine.state !== "suspended" || machine.spec.resumeOnContact !== true || ports.length === 0 || context.contacts === undefined)
    return;
  handle.contact?.close();
  handle.contact = undefined;
  context.contacts
    .watch(ports, () => void answer(context, handle))
    .then(
      (watch) => {
        if (!handle.removed && context.store.machine(handle.id).machine.state === "suspended") handle.contact = watch;
        else watch.close();
      },
      (error: unknown) => {
        context.log.warn({ machine: handle.id, err: error }, "the ports of a suspended machine are taken; trying again");
        handle.setTimer(
          "contact",
          context.clock.after(CONTACT_RETRY_MS, () => awaitContact(context, handle)),
        );
      },
    );
}

async function answer(context: Context, handle: Handle): Promise<void> {
  const { contact } = handle;
  try {
    const start = await requestResume(context, handle, "host").catch((error: unknown) => {
      // Somebody else resumes it at this moment.
      if (hasCode(error, "STATE_CONFLICT") && handle.start) return handle.start;
      throw error;
    });
    await start.done;
    contact?.pass();
  } catch (error) {
    context.log.warn({ machine: handle.id, err: error }, "a machine that was contacted could not be resumed");
    contact?.close();
    if (!handle.removed) awaitContact(context, handle);
  } finally {
    if (handle.contact === contact) handle.contact = undefined;
  }
}
