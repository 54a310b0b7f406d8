import { expect, it } from "vitest";
import type { StoredEvent } from "../machine/stored-events.ts";
import { LICENCE_EVENTS_PAGE } from "./config.ts";
import { overLicenceEvents } from "./event-pages.ts";

const PAGES = 5;

it("a long log is read page by page, with a turn for others after each, to what was written meanwhile", async () => {
  const log: StoredEvent[] = [];
  const write = () => log.push({ seq: log.length + 1, time: "2026-01-01T00:00:00.000Z", type: "licence.taken", details: {} });
  for (let count = 0; count < PAGES * LICENCE_EVENTS_PAGE; count += 1) write();
  const store = {
    licenceEvents: ({ afterSeq = 0, limit = 0 }) => log.slice(afterSeq, afterSeq + limit),
  };
  const taken: number[] = [];
  const met = new Set<number>();
  let reading = true;
  const other = () => {
    if (!reading) return;
    met.add(taken.length);
    write();
    setImmediate(other);
  };
  setImmediate(other);
  const finished = await overLicenceEvents(
    store,
    ({ seq }) => taken.push(seq),
    () => {
      reading = false;
      return log.length;
    },
  );
  expect(met.size).toBeGreaterThanOrEqual(PAGES - 1);
  expect(taken.length).toBeGreaterThan(PAGES * LICENCE_EVENTS_PAGE);
  expect(taken).toEqual(Array.from({ length: finished }, (_, index) => index + 1));
});
