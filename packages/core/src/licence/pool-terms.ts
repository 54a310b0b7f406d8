import { IsthmusError, type LicencePool, type LicencePoolSpec, limits } from "@isthmus/contract";
import { checkName } from "../machine/spec/names.ts";

/** words of the API's paths that no pool can be called */
const RESERVED: readonly string[] = ["report"];

/** A pool with every default decided. Throws INVALID_NAME, INVALID_REQUEST. */
export function resolvePool(spec: LicencePoolSpec, nowMs: number, earlier?: LicencePool): LicencePool {
  const name = spec.name ?? spec.product;
  checkName(name);
  if (RESERVED.includes(name)) throw new IsthmusError("INVALID_NAME", { field: "name", value: name, reason: "it is a word of the API" });
  checkTerms(spec);
  if (earlier) checkSame(spec, earlier);
  const now = new Date(nowMs).toISOString();
  return {
    ...spec,
    name,
    limit: spec.limit ?? "hard",
    onShortage: spec.onShortage ?? "queue",
    onSuspend: spec.onSuspend ?? "return",
    images: [...new Set(spec.images ?? [])],
    createdAt: earlier?.createdAt ?? now,
    updatedAt: now,
  };
}

function checkTerms(spec: LicencePoolSpec): void {
  const refuse = (field: string, reason: string, value: string | number) => new IsthmusError("INVALID_REQUEST", { field, reason, value });
  const { validFrom, validTo, minimumPerMachine, graceSeats, graceMs } = spec;
  for (const [field, time] of [
    ["validFrom", validFrom],
    ["validTo", validTo],
  ] as const) {
    if (time !== undefined && Number.isNaN(Date.parse(time))) throw refuse(field, "it is no time; write 2026-01-31T12:00:00Z", time);
  }
  if (validFrom !== undefined && validTo !== undefined && Date.parse(validTo) <= Date.parse(validFrom))
    throw refuse("validTo", "it is not after validFrom", validTo);
  if (minimumPerMachine !== undefined && spec.metric !== "per-vcpu")
    throw refuse("minimumPerMachine", "it goes with metric per-vcpu only", minimumPerMachine);
  if (spec.limit !== "soft") {
    if (graceSeats !== undefined) throw refuse("graceSeats", "it goes with a soft limit only", graceSeats);
    if (graceMs !== undefined) throw refuse("graceMs", "it goes with a soft limit only", graceMs);
  }
  if (spec.metric === "concurrent" && spec.onSuspend === "keep")
    throw refuse("onSuspend", "a suspended machine is not at work: seats of metric concurrent are returned", "keep");
}

/** What seats are counted by cannot change under those that are held. */
function checkSame(spec: LicencePoolSpec, earlier: LicencePool): void {
  for (const field of ["product", "metric"] as const) {
    if (spec[field] === earlier[field]) continue;
    const reason = `the pool's is ${earlier[field]}; add another pool instead`;
    throw new IsthmusError("INVALID_REQUEST", { field, reason, value: spec[field] });
  }
}

/** Throws TOO_LARGE when there are as many pools as one host keeps. */
export function checkPools(count: number): void {
  if (count >= limits.licencePools)
    throw new IsthmusError("TOO_LARGE", { field: "licence pools", value: count + 1, limit: limits.licencePools });
}
