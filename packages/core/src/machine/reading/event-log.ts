import { type Event, IsthmusError } from "@isthmus/contract";
import type { EventOptions } from "../actions.ts";
import { EVENT_FOLLOWERS, EVENTS_PAGE } from "../config.ts";
import { type Context, checkOpen, waitingSignal } from "../context.ts";
import type { StoredEvent } from "../ports.ts";

const followers = new WeakMap<Context, number>();

/**
 * See `Machines.events`. A follower reads page after page from the store and is only told that there is more: however slow it is, nothing piles up for it.
 */
export async function* readEvents(context: Context, options: EventOptions = {}): AsyncGenerator<Event, void, undefined> {
  checkOpen(context);
  const { tenant, types, kinds, images, labels, until: untilIso } = options;
  const filter = { types, kinds, images, labels, untilIso };
  const machineId = options.machine === undefined ? undefined : context.store.machine(options.machine, tenant).machine.id;
  const follow = options.follow === true;
  const fromNow = follow && options.afterSeq === undefined && options.since === undefined;
  let afterSeq = fromNow ? context.store.lastEventSeq() : options.afterSeq;
  const waiting = waitingSignal(context, options.signal, "following events");
  const over = untilIso === undefined ? undefined : Math.max(0, Date.parse(untilIso) - context.clock.now());
  const more = follow && over !== 0 ? listen(context, waiting.signal, over) : undefined;
  try {
    for (;;) {
      const page = context.store.events({ afterSeq, sinceIso: options.since, limit: EVENTS_PAGE, machineId, tenant, ...filter });
      for (const event of page) {
        yield publicEvent(event);
        if (waiting.signal.aborted) return;
        afterSeq = event.seq;
      }
      if (page.length === EVENTS_PAGE) continue;
      if (!more || !(await more.next())) return;
    }
  } finally {
    more?.stop();
    waiting.done();
  }
}

function publicEvent(event: StoredEvent): Event {
  const { seq, time, type, machineId, machineName, details } = event;
  return { seq, time, type, machineId, machineName, details: { ...details } };
}

/** `next` resolves true when events came since the last call, false when `signal` aborted or, in `overMs`, the time that is listened to is over. */
function listen(context: Context, signal: AbortSignal, overMs: number | undefined): { next(): Promise<boolean>; stop(): void } {
  const count = followers.get(context) ?? 0;
  if (count >= EVENT_FOLLOWERS)
    throw new IsthmusError("TOO_MANY_REQUESTS", { what: "clients following events", value: count, limit: EVENT_FOLLOWERS });
  followers.set(context, count + 1);
  let pending = false;
  let wake: (() => void) | undefined;
  const unsubscribe = context.store.onEvents(() => {
    pending = true;
    wake?.();
  });
  let over = false;
  const onAbort = () => wake?.();
  const onOver = () => {
    over = true;
    onAbort();
  };
  const cancel = overMs === undefined ? undefined : context.clock.after(overMs, onOver);
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    async next() {
      if (!pending && !over && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
      // What came before the end is read still.
      const more = pending || !over;
      pending = false;
      return more && !signal.aborted;
    },
    stop() {
      unsubscribe();
      cancel?.();
      signal.removeEventListener("abort", onAbort);
      followers.set(context, (followers.get(context) ?? 1) - 1);
    },
  };
}
