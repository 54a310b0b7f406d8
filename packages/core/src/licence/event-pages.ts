import type { StoredEvent } from "../machine/stored-events.ts";
import { LICENCE_EVENTS_PAGE } from "./config.ts";
import type { LicenceTables } from "./ports.ts";

/**
 * Gives `take` all events of licences that are kept, oldest first. They can be a million, so others have their turn after each page; what `finish` looks at
 * is of the very moment at which the last event was read.
 */
export async function overLicenceEvents<T>(
  store: Pick<LicenceTables, "licenceEvents">,
  take: (event: StoredEvent) => void,
  finish: () => T,
): Promise<T> {
  let afterSeq = 0;
  for (;;) {
    const page = store.licenceEvents({ afterSeq, limit: LICENCE_EVENTS_PAGE });
    for (const event of page) take(event);
    const last = page.at(-1);
    if (last === undefined || page.length < LICENCE_EVENTS_PAGE) return finish();
    afterSeq = last.seq;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
