import { IsthmusError } from "@isthmus/contract";
import { GATHER_MS, RECHECK_MS, SCAN_MAX } from "./config.ts";
import { type Aside, shortageOf, type View } from "./fit.ts";
import { isOnHold } from "./hold.ts";
import { Ledger } from "./ledger.ts";
import { StartLimiter } from "./limiter.ts";
import { type LimitSettings, type Limits, limitsOf } from "./limits.ts";
import { Pace } from "./pace.ts";
import { FairQueue } from "./queue.ts";
import { TokenBucket } from "./rate.ts";
import type { AdmissionPort, AdmissionRequest, Grant, QueuePlace, Shortage, StartOutcome } from "./request.ts";
import { queueShortage } from "./room.ts";
import type { AdmissionStatus } from "./status.ts";

/** A request that waits. */
interface Entry {
  readonly request: AdmissionRequest;
  /** the same for all that fit or do not fit together */
  readonly shape: string;
  /** why it did not fit when it was last looked at */
  shortage?: Shortage;
  readonly grant: (grant: Grant) => void;
  readonly refuse: (error: unknown) => void;
}

/**
 * Decides which starts go on now, wait, or are refused. What is leased is read from the machines each time; a decision and its commit happen without a
 * pause between, so two starts never get the same thing. One per host.
 */
export class Admission {
  readonly #port: AdmissionPort;
  readonly #settings: LimitSettings;
  readonly #queue = new FairQueue<Entry>();
  readonly #inFlight = new Set<AdmissionRequest>();
  readonly #limiter: StartLimiter;
  readonly #rate: TokenBucket;
  readonly #pace = new Pace();
  /** shapes that did not fit since something was last set free, and why */
  readonly #unfit = new Map<string, Shortage>();
  #stopsAt: "start-slots" | "rate" = "start-slots";
  #cancelTimer: (() => void) | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #expiredMs = Number.NEGATIVE_INFINITY;
  #goesOn = false;
  #closed = false;

  constructor(port: AdmissionPort, settings: LimitSettings = {}) {
    this.#port = port;
    this.#settings = settings;
    const { limits } = this;
    this.#limiter = new StartLimiter(limits);
    this.#rate = new TokenBucket(limits.ratePerSecond, limits.rateBurst, port.now());
  }

  /** Those in force now: the disk fills, and memory can be added to a host. */
  get limits(): Limits {
    return limitsOf(this.#port.facts(), this.#settings);
  }

  /** Asked before a start is written down. Throws what can be told at once: that it never fits, that it does not fit and may not wait, or that the queue is full. */
  check(request: AdmissionRequest): void {
    const full = queueShortage(request, this.#queue, this.limits, this.#port.quota(request.tenant));
    if (full) throw this.#port.refusal(request, this.#expected(full));
    const found = this.#find(request, this.#view());
    if ("shortage" in found && (found.shortage.permanent || waitMsFor(request, found.shortage) <= 0))
      throw this.#port.refusal(request, found.shortage);
  }

  /** Resolves when the start is let in, its lease committed. Rejects with the refusal, or CANCELLED when `signal` aborts first. After `close` it stays pending. */
  enter(request: AdmissionRequest, signal: AbortSignal): Promise<Grant> {
    return new Promise((resolve, reject) => {
      const cancelled = () => reject(new IsthmusError("CANCELLED", { what: "the start" }, { cause: signal.reason }));
      if (signal.aborted) {
        cancelled();
        return;
      }
      const onAbort = () => {
        this.#queue.remove(request.id);
        cancelled();
      };
      const settled = <T>(then: (value: T) => void) => {
        return (value: T) => {
          signal.removeEventListener("abort", onAbort);
          then(value);
        };
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const alone = this.#queue.size === 0;
      const entry = { request, shape: shapeOf(request), grant: settled(resolve), refuse: settled(reject) };
      this.#queue.add(entry, this.#port.quota(request.tenant).weight);
      // Behind others that wait it is looked at together with all that come in the same moment.
      if (alone) this.#look();
      else if (this.#hasSlot()) this.#lookAfter(GATHER_MS);
    });
  }

  /** Where a request stands; undefined when it does not wait. */
  position(id: string): QueuePlace | undefined {
    const entry = this.#queue.get(id);
    if (!entry) return undefined;
    let position = 0;
    for (const one of this.#queue.inOrder()) {
      position += 1;
      if (one === entry) break;
    }
    const waitedMs = this.#port.now() - entry.request.queuedAtMs;
    const estimatedMs = entry.shortage?.expectedMs ?? this.#pace.estimate(position, this.#limiter.latencyMs, this.#limiter.limit);
    return { position, ahead: position - 1, waitedMs, estimatedMs, cause: entry.shortage ?? this.#stopsAt };
  }

  /** starts that hold a slot */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** requests that wait */
  get waiting(): number {
    return this.#queue.size;
  }

  status(): AdmissionStatus {
    const ledger = new Ledger(this.#port.held());
    const now = this.#port.now();
    let oldestMs = 0;
    for (const { request } of this.#queue.values()) oldestMs = Math.max(oldestMs, now - request.queuedAtMs);
    return {
      limits: this.limits,
      used: ledger.all,
      isolations: { microvm: ledger.isolation("microvm"), container: ledger.isolation("container"), vm: ledger.isolation("vm") },
      queue: { length: this.#queue.size, oldestMs, tenants: this.#queue.tenants() },
      inFlight: this.#inFlight.size,
      limiter: this.#limiter.status(),
      rateTokens: this.#rate.tokens(now),
    };
  }

  /** Something that requests wait for may have become free. */
  changed(): void {
    this.#look();
  }

  /** Nobody is let in any more; what waits stays written down for the next daemon. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  #look(): void {
    this.#unfit.clear();
    this.#goOn();
  }

  #goOn(): void {
    if (this.#closed || this.#queue.size === 0) return;
    this.#expire();
    if (this.#hasSlot()) this.#admit(this.#view());
    if (this.#queue.size > 0) this.#lookAfter(RECHECK_MS);
  }

  #admit(view: View): void {
    let aside: Aside | undefined;
    let scanned = 0;
    for (const entry of this.#queue.inOrder()) {
      if (!this.#hasSlot()) return;
      const waitMs = this.#rate.waitMs(this.#port.now());
      if (waitMs > 0) {
        this.#stopsAt = "rate";
        this.#lookAfter(waitMs);
        return;
      }
      const known = this.#unfit.get(entry.shape);
      if (known === undefined) scanned += 1;
      if (scanned > SCAN_MAX) {
        this.#goOnLater();
        return;
      }
      const found = known ? { shortage: known } : this.#find(entry.request, { ...view, inFlight: this.#inFlight.size }, aside);
      if ("seats" in found) this.#grant(entry, found.seats, view.ledger);
      else {
        const kept = this.#keepWaiting(entry, found.shortage, view.ledger);
        aside ??= kept;
      }
    }
  }

  /** What is set aside for it, if its time has come. */
  #keepWaiting(entry: Entry, shortage: Shortage, ledger: Ledger): Aside | undefined {
    const { request } = entry;
    entry.shortage = shortage;
    // What does not fit now fits none the better for what is let in beside it; whose seats are short is each one's own matter.
    if (shortage.kind !== "licence") this.#unfit.set(entry.shape, shortage);
    if (shortage.kind !== "capacity") this.#queue.forfeit(request.tenant);
    if (shortage.permanent || waitMsFor(request, shortage) <= 0) {
      this.#refuse(entry, this.#port.refusal(request, shortage));
      return undefined;
    }
    if (shortage.kind === "licence" || !isOnHold(this.#port.now() - request.queuedAtMs)) return undefined;
    const tenantOnly = shortage.kind === "quota";
    return { request, needs: ledger.needs(request), expectedBytes: ledger.expectedBytes(request), tenantOnly };
  }

  #grant(entry: Entry, seats: Grant["seats"], ledger: Ledger): void {
    const { request } = entry;
    const now = this.#port.now();
    try {
      this.#port.grant(request, seats);
    } catch (error) {
      this.#refuse(entry, error);
      return;
    }
    this.#queue.serve(request.id);
    this.#rate.take();
    this.#inFlight.add(request);
    this.#pace.granted(now, this.#queue.size > 0);
    ledger.add({ ...request, seats });
    entry.grant({ seats, waitedMs: Math.max(0, now - request.queuedAtMs), done: (outcome) => this.#done(request, outcome) });
  }

  /** A request holds its slot once, so what a former start of the same machine says too late frees none. */
  #done(request: AdmissionRequest, outcome: StartOutcome): void {
    if (!this.#inFlight.has(request)) return;
    this.#limiter.sample(outcome, this.#inFlight.size, this.#port.facts().pressure, this.#port.now());
    this.#inFlight.delete(request);
    this.#look();
  }

  /** A machine that has its lease already, from a start in which its daemon died, fits. */
  #find(request: AdmissionRequest, view: View, aside?: Aside): ReturnType<AdmissionPort["seats"]> {
    const shortage = view.ledger.has(request.id) ? undefined : shortageOf(request, view, this.#port.quota(request.tenant), aside);
    return shortage === undefined ? this.#port.seats(request) : { shortage: this.#expected(shortage) };
  }

  #expected(shortage: Shortage): Shortage {
    if (shortage.permanent || shortage.expectedMs !== undefined) return shortage;
    return { ...shortage, expectedMs: this.#pace.estimate(this.#queue.size + 1, this.#limiter.latencyMs, this.#limiter.limit) };
  }

  /** Those whose time is over, wherever they stand. */
  #expire(): void {
    const now = this.#port.now();
    if (Math.abs(now - this.#expiredMs) < GATHER_MS) return;
    this.#expiredMs = now;
    const { queueAgeMs } = this.limits;
    let view: View | undefined;
    for (const entry of [...this.#queue.values()]) {
      const { request, shortage } = entry;
      const waitedMs = now - request.queuedAtMs;
      if (waitedMs >= queueAgeMs) this.#refuse(entry, this.#port.refusal(request, shortage ?? tooOld(waitedMs, queueAgeMs)));
      else if (shortage && waitedMs >= waitMsFor(request, shortage)) {
        // It may fit by now and wait for a slot only.
        view ??= this.#view();
        const found = this.#find(request, view);
        if ("shortage" in found) this.#refuse(entry, this.#port.refusal(request, found.shortage));
        else entry.shortage = undefined;
      }
    }
  }

  #refuse(entry: Entry, error: unknown): void {
    this.#queue.remove(entry.request.id);
    entry.refuse(error);
  }

  #hasSlot(): boolean {
    const free = this.#inFlight.size < this.#limiter.limit;
    if (!free) this.#stopsAt = "start-slots";
    return free;
  }

  #view(): View {
    return { ledger: new Ledger(this.#port.held()), limits: this.limits, facts: this.#port.facts(), inFlight: this.#inFlight.size };
  }

  /** The rest of what waits, after the daemon has answered others. */
  #goOnLater(): void {
    if (this.#goesOn) return;
    this.#goesOn = true;
    this.#port.after(0, () => {
      this.#goesOn = false;
      this.#goOn();
    });
  }

  /** One timer, the earliest that was asked for. */
  #lookAfter(ms: number): void {
    const atMs = this.#port.now() + ms;
    if (atMs >= this.#timerMs) return;
    this.#cancelTimer?.();
    this.#timerMs = atMs;
    this.#cancelTimer = this.#port.after(ms, () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.#look();
    });
  }
}

function tooOld(waitedMs: number, max: number): Shortage {
  return { limit: "queue-age", needed: 0, used: waitedMs, max, unit: "ms", kind: "queue", permanent: false };
}

function shapeOf({ tenant, isolation, imageDigest, cpus, memoryBytes, diskBytes, ports }: AdmissionRequest): string {
  return JSON.stringify([tenant, isolation, imageDigest, cpus, memoryBytes, diskBytes, ports]);
}

/** How long a request may wait for what it is short of. A pool of licences says whether its starts wait, and who asks may say how long. */
function waitMsFor({ maxWaitMs, seatsWaitMs = Number.POSITIVE_INFINITY }: AdmissionRequest, { onShortage }: Shortage): number {
  if (onShortage === "refuse") return 0;
  return onShortage === "queue" ? seatsWaitMs : maxWaitMs;
}
