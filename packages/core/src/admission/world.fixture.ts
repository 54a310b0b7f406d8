import { IsthmusError, MIB } from "@isthmus/contract";
import { Admission } from "./admission.ts";
import type { LimitSettings } from "./limits.ts";
import { refusalOf } from "./refusal.ts";
import type { AdmissionPort, AdmissionRequest, Grant, Held, HostFacts, Quota } from "./request.ts";

export const GUEST_BYTES = 128 * MIB;

export function request(id: string, more: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    id,
    tenant: "default",
    priority: "normal",
    imageDigest: "sha256:a",
    isolation: "microvm",
    cpus: 1,
    memoryBytes: GUEST_BYTES,
    diskBytes: 0,
    ports: 0,
    licences: [],
    maxWaitMs: 0,
    queuedAtMs: 0,
    ...more,
  };
}

/** A host whose clock stands still until told, and whose machines are a list: what a store would know after a crash. */
export class World implements AdmissionPort {
  readonly machines = new Map<string, Held>();
  readonly quotas = new Map<string, Quota>();
  /** ids in the order of their grants */
  readonly granted: string[] = [];
  readonly grants = new Map<string, Grant>();
  readonly refused = new Map<string, unknown>();
  readonly #timers = new Set<{ readonly atMs: number; readonly action: () => void }>();
  readonly #settings: LimitSettings;
  nowMs = 0;
  seatsFree = Number.POSITIVE_INFINITY;
  admission: Admission;

  constructor(settings: LimitSettings = {}) {
    this.#settings = { limiter: "static", startsInFlight: 4, ratePerSecond: 0, ...settings };
    this.admission = new Admission(this, this.#settings);
  }

  /** The daemon dies; the next one knows the machines with a lease. What waited is gone with it. */
  crash(): void {
    this.admission.close();
    this.#timers.clear();
    this.grants.clear();
    this.admission = new Admission(this, this.#settings);
  }

  enter(one: AdmissionRequest, signal = new AbortController().signal): void {
    this.admission.enter(one, signal).then(
      (grant) => this.grants.set(one.id, grant),
      (error: unknown) => this.refused.set(one.id, error),
    );
  }

  /** The machine ends. */
  end(id: string): void {
    if (this.machines.delete(id)) this.admission.changed();
  }

  advance(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.action();
    }
    this.nowMs = until;
  }

  held(): Iterable<Held> {
    return this.machines.values();
  }

  facts(): HostFacts {
    return { cpus: 2, memoryTotalBytes: 24 * 1024 * MIB, memoryAvailableBytes: 20 * 1024 * MIB, diskFreeBytes: 1024 ** 4 };
  }

  quota(tenant: string): Quota {
    return this.quotas.get(tenant) ?? { weight: 1 };
  }

  seats(one: AdmissionRequest): ReturnType<AdmissionPort["seats"]> {
    const needed = one.licences.length;
    if (needed <= this.seatsFree) return { seats: [] };
    const figures = { needed, used: 0, max: this.seatsFree, unit: "seats", kind: "licence", permanent: false } as const;
    return { shortage: { limit: "licence-seats", ...figures, onShortage: "queue" } };
  }

  refusal(one: AdmissionRequest, shortage: Parameters<AdmissionPort["refusal"]>[1]): IsthmusError {
    return shortage.kind === "licence"
      ? new IsthmusError("LICENCE_UNAVAILABLE", { product: one.licences[0] ?? "", reason: "test" })
      : refusalOf(shortage);
  }

  grant(one: AdmissionRequest): void {
    if (this.machines.has(one.id)) throw new IsthmusError("INTERNAL", { reason: `${one.id} was granted twice` });
    this.machines.set(one.id, { ...one, seats: [] });
    this.granted.push(one.id);
  }

  now(): number {
    return this.nowMs;
  }

  after(ms: number, action: () => void): () => void {
    const timer = { atMs: this.nowMs + ms, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}

/** Promises that are settled have told so. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
