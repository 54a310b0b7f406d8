import type { LicenceMetric, LicencePool } from "@isthmus/contract";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LeaseHolder, usedSeats } from "./lease.ts";
import { holder, NOW, pool } from "./pool.fixture.ts";
import { type SeatRequest, seatsFor } from "./seats.ts";
import { licenceRefusal } from "./shortage.ts";

const need = (id: string, over: Partial<SeatRequest> = {}): SeatRequest => ({
  id,
  products: ["product"],
  cpus: 1,
  hostCores: 8,
  user: "ann",
  ...over,
});

function grant(pools: readonly LicencePool[], holders: readonly LeaseHolder[], request: SeatRequest, nowMs = NOW): LeaseHolder | undefined {
  const answer = seatsFor(request, { pools, holders }, nowMs);
  return "seats" in answer ? holder(request.id, answer.seats, { grantedMs: nowMs }) : undefined;
}

/** As many of these requests as get seats, one after the other. */
function fill(pools: readonly LicencePool[], requests: readonly SeatRequest[]): LeaseHolder[] {
  const holders: LeaseHolder[] = [];
  for (const request of requests) {
    const granted = grant(pools, holders, request);
    if (granted) holders.push(granted);
  }
  return holders;
}

const used = (holders: readonly LeaseHolder[]) =>
  usedSeats(
    "pool",
    holders.flatMap(({ lease }) => lease.seats),
  );

function shortage(
  pools: readonly LicencePool[],
  holders: readonly LeaseHolder[],
  request = need("new"),
  expectedEnd = (_: LeaseHolder): number | undefined => undefined,
) {
  const answer = seatsFor(request, { pools, holders, expectedEnd }, NOW);
  if ("seats" in answer) throw new TypeError("seats were granted");
  return answer.shortage;
}

/** What the metric means, told by the machines that hold seats, not by their seats. */
const meaning: Readonly<Record<LicenceMetric, (held: readonly SeatRequest[], minimum: number) => number>> = {
  "per-machine": (held) => held.length,
  concurrent: (held) => held.length,
  "per-vcpu": (held, minimum) => held.reduce((sum, { cpus }) => sum + Math.max(cpus, minimum), 0),
  "per-host-core": (held) => (held.length === 0 ? 0 : 8),
  "per-named-user": (held) => new Set(held.map(({ user }) => user)).size,
};

const requests = fc
  .array(fc.record({ cpus: fc.integer({ min: 1, max: 32 }), user: fc.constantFrom("ann", "bob", "cy", "dee") }), { maxLength: 60 })
  .map((list) => list.map((over, at) => need(`m${at}`, over)));
const metrics = fc.constantFrom<LicenceMetric>("per-machine", "per-vcpu", "per-host-core", "per-named-user", "concurrent");

describe("seats by metric", () => {
  it("are what the metric means, never more than there are, and refused only when one more would be too many", () => {
    const property = fc.property(
      metrics,
      requests,
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 1, max: 8 }),
      (metric, list, seats, minimum) => {
        const one = pool({ metric, seats, minimumPerMachine: metric === "per-vcpu" ? minimum : undefined });
        const holders: LeaseHolder[] = [];
        const held: SeatRequest[] = [];
        for (const request of list) {
          const would = meaning[metric]([...held, request], minimum);
          const granted = grant([one], holders, request);
          expect(granted !== undefined).toBe(would <= seats);
          if (!granted) continue;
          holders.push(granted);
          held.push(request);
          expect(used(holders)).toBe(would);
        }
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it("come from the pool that expires first, whole, and all products or none", () => {
    const late = pool({ name: "late", seats: 1 });
    const soon = pool({ name: "soon", seats: 1, validTo: "2026-07-01T00:00:00Z" });
    const holders = fill([late, soon], [need("a"), need("b"), need("c")]);
    expect(holders.map(({ lease }) => lease.seats.map((seat) => seat.pool))).toEqual([["soon"], ["late"]]);
    expect(grant([late], [], need("d", { products: ["other", "product"] }))).toBeUndefined();
  });

  it("that a machine holds stay its own when it starts again", () => {
    const one = pool({ seats: 1 });
    const [first] = fill([one], [need("a")]);
    const again = grant([one], first ? [first] : [], need("a"), NOW + 5000);
    expect(again?.lease.seats).toEqual(first?.lease.seats);
  });
});

describe("limits in time", () => {
  it("give nothing before and after the time that a pool is valid", () => {
    const from = pool({ validFrom: "2026-06-16T12:00:00Z" });
    expect(shortage([from], [])).toMatchObject({ permanent: false, expectedMs: 86_400_000 });
    const gone = pool({ validTo: "2026-06-15T11:59:59Z" });
    expect(shortage([gone], [])).toMatchObject({ permanent: true, reason: "pool pool was valid to 2026-06-15T11:59:59Z" });
    expect(grant([{ ...gone, limit: "soft", graceMs: 2000 }], [], need("a"))).toBeDefined();
    expect(grant([{ ...gone, limit: "soft", graceMs: 1000 }], [], need("a"))).toBeUndefined();
  });

  it("let a soft limit be exceeded by its grace, and for no longer", () => {
    const soft = pool({ seats: 2, limit: "soft", graceSeats: 2, graceMs: 1000 });
    const holders = fill(
      [soft],
      ["a", "b", "c"].map((id) => need(id)),
    );
    expect(used(holders)).toBe(3);
    expect(holders.at(-1)?.lease.seats[0]?.overSinceMs).toBe(NOW);
    expect(grant([soft], holders, need("d"), NOW + 999)?.lease.seats[0]?.overSinceMs).toBe(NOW);
    expect(grant([soft], holders, need("d"), NOW + 1000)).toBeUndefined();
    // Once it was within its seats again, the next time of grace is a new one.
    expect(grant([soft], holders.slice(1), need("d"), NOW + 5000)?.lease.seats[0]?.overSinceMs).toBe(NOW + 5000);
  });
});

describe("a shortage", () => {
  const one = pool({ seats: 2 });
  const full = fill([one], [need("a"), need("b")]);

  it("tells who holds the seats, and when one is expected: with the first holder that ends soon enough", () => {
    const ends: Readonly<Record<string, number>> = { a: NOW + 9000, b: NOW + 4000 };
    expect(shortage([one], full, need("new"), ({ id }) => ends[id])).toEqual({
      kind: "licence",
      limit: "licence-seats",
      scope: "pool",
      unit: "seats",
      product: "product",
      needed: 1,
      used: 2,
      max: 2,
      permanent: false,
      expectedMs: 4000,
      onShortage: "queue",
      holders: ["m-a (1)", "m-b (1)"],
      reason: "held by m-a (1), m-b (1); one expected in 4.0 s",
    });
    const vcpus = pool({ metric: "per-vcpu", seats: 4 });
    const busy = fill([vcpus], [need("a", { cpus: 2 }), need("b", { cpus: 2 })]);
    expect(shortage([vcpus], busy, need("new", { cpus: 4 }), ({ id }) => ends[id]).expectedMs).toBe(9000);
    expect(shortage([one], full).expectedMs).toBeUndefined();
  });

  it("is permanent when no return of seats could ever help", () => {
    expect(shortage([], [])).toMatchObject({ permanent: true, reason: "there is no pool of it" });
    expect(shortage([pool({ metric: "per-vcpu", seats: 4 })], [], need("a", { cpus: 5 }))).toMatchObject({
      permanent: true,
      needed: 5,
      max: 4,
    });
  });

  it("becomes 429 with a time to try again, or 422", () => {
    const soon = licenceRefusal(shortage([one], full, need("new"), () => NOW + 1500));
    expect([soon.code, soon.status, soon.details.retryAfterS]).toEqual(["LICENCE_SHORT", 429, 2]);
    expect(soon.message).toBe("no seat for product: 1 needed, 0 of 2 free (held by m-a (1), m-b (1); one expected in 1.5 s)");
    const never = licenceRefusal(shortage([], []));
    expect([never.code, never.status]).toEqual(["LICENCE_UNAVAILABLE", 422]);
  });
});
