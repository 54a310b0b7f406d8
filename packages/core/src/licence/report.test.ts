import type { LicencePool } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StoredEvent } from "../machine/stored-events.ts";
import { LicenceAuditing } from "./audit.ts";
import { forecast } from "./forecast.ts";
import { type LeaseHolder, type Seat, usedSeats } from "./lease.ts";
import { holder, NOW, pool } from "./pool.fixture.ts";
import { LicenceReporting, type ReportSpan } from "./report.ts";
import { seatsFor } from "./seats.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BEGIN = NOW - 5 * DAY;

interface Step {
  readonly hours: number;
  readonly machine: number;
  readonly cpus: number;
}

interface History {
  readonly events: readonly StoredEvent[];
  readonly holders: readonly LeaseHolder[];
  /** seats in use from each moment on */
  readonly levels: readonly { readonly atMs: number; readonly used: number; readonly taken: boolean }[];
  readonly uses: readonly { readonly id: string; readonly fromMs: number; toMs?: number }[];
  readonly endMs: number;
}

/** Machines that start and end in turn; kept without the code under test but for the seats of one machine. */
function live(one: LicencePool, steps: readonly Step[]): History {
  let atMs = BEGIN;
  const events: StoredEvent[] = [];
  const held = new Map<string, readonly Seat[]>();
  const levels: { atMs: number; used: number; taken: boolean }[] = [];
  const uses: { id: string; fromMs: number; toMs?: number }[] = [];
  const append = (type: string, details: StoredEvent["details"], id?: string) =>
    events.push({ seq: events.length + 1, time: new Date(atMs).toISOString(), type, machineId: id, machineName: id && `m-${id}`, details });
  const { name, ...terms } = one;
  append("licence.pool-added", { pool: name, ...terms });
  for (const { hours, machine, cpus } of steps) {
    atMs += hours * HOUR;
    const id = `m${machine}`;
    const mine = held.get(id);
    const holders = [...held].map(([other, seats]) => holder(other, seats));
    const answer = mine
      ? { seats: mine }
      : seatsFor({ id, products: [one.product], cpus, hostCores: 4, user: `u${machine % 3}` }, { pools: [one], holders }, atMs);
    if (!("seats" in answer)) continue;
    if (mine) held.delete(id);
    else held.set(id, answer.seats);
    const used = usedSeats(name, [...held.values()].flat());
    for (const seat of answer.seats)
      append(mine ? "licence.returned" : "licence.taken", { ...seat, tenant: "default", image: "x", used, total: one.seats }, id);
    levels.push({ atMs, used, taken: mine === undefined });
    const open = uses.find((use) => use.id === id && use.toMs === undefined);
    if (mine && open) open.toMs = atMs;
    if (!mine) uses.push({ id, fromMs: atMs });
  }
  return { events, holders: [...held].map(([id, seats]) => holder(id, seats)), levels, uses, endMs: atMs + HOUR };
}

function reportOf(events: readonly StoredEvent[], span: ReportSpan) {
  const reporting = new LicenceReporting(span);
  for (const event of events) reporting.add(event);
  return reporting.result();
}

function auditLicences(events: readonly StoredEvent[], holders: readonly LeaseHolder[], pools: readonly LicencePool[]) {
  const auditing = new LicenceAuditing();
  for (const event of events) auditing.add(event);
  return auditing.result(holders, pools);
}

/** High-water mark and seat hours of each day, by looking at every hour. */
function naiveDays({ levels, endMs }: History, sinceMs: number): Map<string, { highWater: number; seatHours: number }> {
  const days = new Map<string, { highWater: number; seatHours: number }>();
  const mark = (atMs: number, used: number, hours: number) => {
    const day = new Date(atMs).toISOString().slice(0, 10);
    const known = days.get(day) ?? { highWater: 0, seatHours: 0 };
    days.set(day, { highWater: Math.max(known.highWater, used), seatHours: known.seatHours + used * hours });
  };
  for (let atMs = sinceMs; atMs < endMs; atMs += HOUR) {
    const level = levels.findLast((one) => one.atMs <= atMs)?.used ?? 0;
    if (level > 0) mark(atMs, level, 1);
  }
  // A seat that is given back as the span begins was not in use in it: the span is open at that end for what ends, closed for what begins.
  for (const { atMs, used, taken } of levels) if (taken && atMs >= sinceMs) mark(atMs, used, 0);
  return days;
}

const steps = fc.array(
  fc.record({ hours: fc.integer({ min: 0, max: 30 }), machine: fc.integer({ min: 0, max: 9 }), cpus: fc.integer({ min: 1, max: 4 }) }),
  { maxLength: 60 },
);
const anyPool = fc
  .tuple(
    fc.constantFrom("per-machine" as const, "per-vcpu" as const, "per-host-core" as const, "per-named-user" as const),
    fc.integer({ min: 1, max: 12 }),
  )
  .map(([metric, seats]) => pool({ metric, seats }));

describe("the report of a history", () => {
  it("is what one gets by looking at every hour, over any span", () => {
    const property = fc.property(anyPool, steps, fc.integer({ min: 0, max: 200 }), (one, list, skip) => {
      const history = live(one, list);
      const sinceMs = Math.min(BEGIN + skip * HOUR, history.endMs - HOUR);
      const report = reportOf(history.events, { sinceMs, untilMs: history.endMs });
      const [product] = report.products;
      const days = new Map(
        (product?.days ?? [])
          .filter(({ highWater }) => highWater > 0)
          .map(({ day, highWater, seatHours }) => [day, { highWater, seatHours }]),
      );
      expect(days).toEqual(naiveDays(history, sinceMs));
      expect(product?.used).toBe(history.levels.at(-1)?.used ?? 0);
      const uses = history.uses.filter(({ toMs }) => toMs === undefined || toMs >= sinceMs);
      expect(
        product?.uses.map(({ machineId, from, to }) => ({
          id: machineId,
          fromMs: Date.parse(from),
          toMs: to === undefined ? undefined : Date.parse(to),
        })),
      ).toEqual(uses);
    });
    fc.assert(property, { numRuns: 1000 });
  });

  it("counts the uses that it does not list, of a log of any length", () => {
    const [many, before, listed] = [25_000, 3_000, 10_000];
    const time = (number: number) => NOW + number * 1000;
    const events = Array.from({ length: 2 * many }, (_, index): StoredEvent => {
      const [number, taken] = [Math.floor(index / 2), index % 2 === 0];
      const details = { pool: "p", product: "db", seats: 1, sinceMs: time(number), used: taken ? 1 : 0, total: 1 };
      const at = new Date(time(number) + (taken ? 0 : 500)).toISOString();
      return {
        seq: index + 1,
        time: at,
        type: taken ? "licence.taken" : "licence.returned",
        machineId: `m${number}`,
        machineName: "m",
        details,
      };
    });
    const [product] = reportOf(events, { sinceMs: time(before), untilMs: time(many) }).products;
    expect([product?.uses.length, product?.usesLeftOut]).toEqual([listed, many - before - listed]);
    expect([product?.uses[0]?.machineId, product?.uses.at(-1)?.machineId]).toEqual([`m${many - listed}`, `m${many - 1}`]);
  });

  it("agrees with the machines in an audit, which finds every event that is lost, doubled or changed", () => {
    const property = fc.property(anyPool, steps, fc.nat(), fc.constantFrom("lose", "double", "change"), (one, list, at, how) => {
      const { events, holders } = live(one, list);
      expect(auditLicences(events, holders, [one])).toEqual({ ok: true, events: events.length, differences: [] });
      const place = at % events.length;
      const victim = events[place];
      if (!victim || victim.type === "licence.pool-added") return;
      const changed = { ...victim, details: { ...victim.details, used: Number(victim.details.used) + 1 } };
      const instead = { lose: [], double: [victim, victim], change: [changed] }[how];
      expect(auditLicences(events.toSpliced(place, 1, ...instead), holders, [one]).ok).toBe(false);
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("leaves machines and pools that the log does not know to nobody", () => {
    const { events } = live(pool(), [{ hours: 0, machine: 1, cpus: 1 }]);
    expect(auditLicences(events, [], []).differences).toEqual([
      "m-m1 took seats of pool and holds none",
      "the log has a pool pool that is gone",
    ]);
  });
});

describe("the forecast", () => {
  const days = (marks: readonly number[]) =>
    marks.map((highWater, at) => {
      const day = new Date(BEGIN + at * DAY).toISOString().slice(0, 10);
      return { day, highWater, highWaterAt: `${day}T12:00:00.000Z`, total: 20, taken: 1, returned: 1, seatHours: 1 };
    });

  it("follows a straight line to the seats that there are", () => {
    expect(forecast(days([10, 12, 14]), 20, BEGIN + 3 * DAY)).toEqual({
      exhaustedAt: "2026-06-15T00:00:00.000Z",
      seatsPerDay: 2,
      days: 3,
      reason: "at 2 seats more a day all 20 are in use on 2026-06-15",
    });
  });

  it("says so when there is nothing to tell", () => {
    expect(forecast(days([5, 5, 5, 5]), 20, NOW).reason).toBe("it does not grow");
    expect(forecast(days([5, 9]), 20, NOW).reason).toBe("too early to tell: 2 of at least 3 days");
    expect(forecast(days([5, 20]), 20, NOW)).toMatchObject({
      exhaustedAt: "2026-06-11T12:00:00.000Z",
      reason: "all 20 seats were in use on 2026-06-11",
    });
  });
});
