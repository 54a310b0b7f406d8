import type { Isolation } from "@isthmus/contract";
import { EXPECTED_MARGIN, EXPECTED_PART_MIN, OVERHEAD_BYTES } from "./config.ts";
import type { Held } from "./request.ts";

/** What some machines hold together. `memoryBytes` is reserved: guest memory and engine overhead, or what was measured where that is more. */
export interface Totals {
  readonly machines: number;
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly ports: number;
}

/** What one request needs of the same, as `Ledger.needs` reckons it. */
export type Needs = Totals;

const none: Totals = { machines: 0, vcpus: 0, memoryBytes: 0, diskBytes: 0, ports: 0 };

export function sum(a: Totals, b: Totals): Totals {
  return {
    machines: a.machines + b.machines,
    vcpus: a.vcpus + b.vcpus,
    memoryBytes: a.memoryBytes + b.memoryBytes,
    diskBytes: a.diskBytes + b.diskBytes,
    ports: a.ports + b.ports,
  };
}

type Sized = Pick<Held, "isolation" | "cpus" | "memoryBytes" | "measuredBytes" | "diskBytes" | "ports">;

interface Measured {
  machines: number;
  /** means of what engines took beside the guest's memory */
  overheadBytes: number;
  usedBytes: number;
  reservedBytes: number;
}

/**
 * What is leased, computed from the machines that hold a lease and thrown away again: it is never counted along, so it cannot drift from them. Within
 * one look of admission, what that look grants is added.
 *
 * Reservation of a machine: R = max(guest + overhead, measured). The overhead of a class is the mean over its measured machines of
 * max(default, measured − guest), so that the sum is right where single machines differ.
 */
export class Ledger {
  readonly #ids = new Set<string>();
  readonly #isolations = new Map<Isolation, number>();
  readonly #images = new Map<string, number>();
  readonly #tenants = new Map<string, Totals>();
  readonly #measured = new Map<Isolation, Measured>();
  #all: Totals = none;
  #unmeasuredBytes = 0;

  constructor(held: Iterable<Held>) {
    const machines = [...held];
    for (const one of machines) this.#learn(one);
    for (const one of machines) this.add(one);
  }

  get all(): Totals {
    return this.#all;
  }

  /** Memory that machines which were not measured yet are expected to take of what is available now, bytes. */
  get unmeasuredBytes(): number {
    return this.#unmeasuredBytes;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  isolation(isolation: Isolation): number {
    return this.#isolations.get(isolation) ?? 0;
  }

  image(digest: string): number {
    return this.#images.get(digest) ?? 0;
  }

  tenant(tenant: string): Totals {
    return this.#tenants.get(tenant) ?? none;
  }

  tenants(): Iterable<readonly [string, Totals]> {
    return this.#tenants;
  }

  /** bytes beside the guest's memory */
  overhead(isolation: Isolation): number {
    const measured = this.#measured.get(isolation);
    return measured ? measured.overheadBytes / measured.machines : OVERHEAD_BYTES[isolation];
  }

  needs(one: Sized): Needs {
    const reserved = Math.max(one.memoryBytes + this.overhead(one.isolation), one.measuredBytes ?? 0);
    return { machines: 1, vcpus: one.cpus, memoryBytes: Math.ceil(reserved), diskBytes: one.diskBytes, ports: one.ports };
  }

  /** Memory that a new machine really takes, by what those of its class do; all of its reservation while none was measured. Bytes. */
  expectedBytes(one: Sized): number {
    const reserved = this.needs(one).memoryBytes;
    const measured = this.#measured.get(one.isolation);
    if (!measured) return reserved;
    const part = (measured.usedBytes / measured.reservedBytes) * EXPECTED_MARGIN;
    return Math.ceil(reserved * Math.min(1, Math.max(EXPECTED_PART_MIN, part)));
  }

  /** A machine that was already added counts once. */
  add(one: Held): void {
    if (this.#ids.has(one.id)) return;
    this.#ids.add(one.id);
    const needs = this.needs(one);
    this.#all = sum(this.#all, needs);
    this.#tenants.set(one.tenant, sum(this.tenant(one.tenant), needs));
    this.#isolations.set(one.isolation, this.isolation(one.isolation) + 1);
    this.#images.set(one.imageDigest, this.image(one.imageDigest) + 1);
    if (one.measuredBytes === undefined) this.#unmeasuredBytes += this.expectedBytes(one);
  }

  #learn({ isolation, memoryBytes, measuredBytes }: Held): void {
    if (measuredBytes === undefined) return;
    const least = OVERHEAD_BYTES[isolation];
    const known = this.#measured.get(isolation) ?? { machines: 0, overheadBytes: 0, usedBytes: 0, reservedBytes: 0 };
    known.machines += 1;
    known.overheadBytes += Math.max(least, measuredBytes - memoryBytes);
    known.usedBytes += measuredBytes;
    known.reservedBytes += Math.max(memoryBytes + least, measuredBytes);
    this.#measured.set(isolation, known);
  }
}
