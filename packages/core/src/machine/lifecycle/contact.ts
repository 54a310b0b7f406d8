import { hasCode, type PublishedPort } from "@isthmus/contract";
import { CONTACT_RETRY_MS } from "../config.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { ContactWatch, LiveMachine } from "../ports.ts";
import { requestResume } from "./suspend.ts";

/** While the machine is suspended, a connection to one of its ports resumes it; it is held until the machine has the port. Called when it has become suspended. */
export function awaitContact(context: Context, handle: Handle): void {
  const ports = contactPortsOf(context, handle);
  if (context.store.machine(handle.id).machine.state !== "suspended" || ports.length === 0 || context.contacts === undefined) return;
  handle.contact?.close();
  handle.contact = undefined;
  context.contacts.watch(ports).then(
    (watch) => {
      if (!handle.removed && context.store.machine(handle.id).machine.state === "suspended") armContact(context, handle, watch);
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

function contactPortsOf(context: Context, handle: Handle): readonly PublishedPort[] {
  const { machine } = context.store.machine(handle.id);
  return machine.spec.resumeOnContact === true ? machine.ports.filter(({ protocol }) => protocol === "tcp") : [];
}

/** A machine that has become suspended, with its ports taken over. */
export function armContact(context: Context, handle: Handle, watch: ContactWatch): void {
  handle.contact = watch;
  watch.arm(() => void answer(context, handle));
}

/**
 * The ports of a machine that is about to be suspended: from here on the daemon listens too, and goes on when its engine process, or the publisher, has let go of them. Undefined
 * where nobody waits for a contact, or it cannot be done: then the ports are listened on when they are free.
 */
export async function takeContact(context: Context, handle: Handle, live: LiveMachine): Promise<ContactWatch | undefined> {
  const ports = contactPortsOf(context, handle);
  if (ports.length === 0 || context.contacts === undefined) return undefined;
  try {
    return await context.contacts.take(ports, (await handle.publication?.holder()) ?? live.pid);
  } catch (error) {
    context.log.warn({ machine: handle.id, err: error }, "the ports of a machine cannot be taken over before it is suspended");
    return undefined;
  }
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
