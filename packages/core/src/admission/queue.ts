import { COST_CPUS, COST_MEMORY_BYTES, IDLE_TENANTS_MAX, PRIORITY_STEP_MS, WEIGHT_MAX, WEIGHT_MIN } from "./config.ts";
import { Heap } from "./heap.ts";
import type { AdmissionRequest, Priority } from "./request.ts";

export interface Queued {
  readonly request: AdmissionRequest;
}

/** The requests of one tenant, those that come first in front. */
interface Line<T> {
  readonly waiting: T[];
  weight: number;
  /** virtual time at which its next start may begin */
  tag: number;
}

interface Cursor<T> {
  readonly line: Line<T>;
  index: number;
  tag: number;
}

const steps: Readonly<Record<Priority, number>> = { low: 0, normal: 1, high: 2 };

/** What one start counts in its tenant's share: 1, or as many times as it is larger than an ordinary one. */
export function costOf({ memoryBytes, cpus }: AdmissionRequest): number {
  return Math.max(1, memoryBytes / COST_MEMORY_BYTES, cpus / COST_CPUS);
}

/** A step of priority is worth a time of waiting: what waits overtakes what is more urgent and came later, so nothing starves. */
function urgency({ queuedAtMs, priority }: AdmissionRequest): number {
  return queuedAtMs - steps[priority] * PRIORITY_STEP_MS;
}

/**
 * Requests that wait, in fair turns between tenants: start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996). Each start moves its tenant's tag on by
 * cost / weight, and the tenant with the least tag is next; who had nothing waiting joins at the present virtual time and is owed nothing.
 */
export class FairQueue<T extends Queued> {
  readonly #lines = new Map<string, Line<T>>();
  readonly #items = new Map<string, T>();
  #virtual = 0;

  get size(): number {
    return this.#items.size;
  }

  /** tenants whose turns are remembered */
  get known(): number {
    return this.#lines.size;
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  /** In no order. */
  values(): Iterable<T> {
    return this.#items.values();
  }

  waitingOf(tenant: string): number {
    return this.#lines.get(tenant)?.waiting.length ?? 0;
  }

  /** Adds what is not there yet. `weight` is the tenant's from here on. */
  add(item: T, weight: number): void {
    const { id, tenant } = item.request;
    if (this.#items.has(id)) return;
    const line = this.#line(tenant);
    line.weight = Math.min(WEIGHT_MAX, Math.max(WEIGHT_MIN, weight));
    if (line.waiting.length === 0) line.tag = Math.max(line.tag, this.#virtual);
    line.waiting.splice(placeFor(line.waiting, item), 0, item);
    this.#items.set(id, item);
  }

  remove(id: string): T | undefined {
    const item = this.#items.get(id);
    if (item === undefined) return undefined;
    const { waiting } = this.#line(item.request.tenant);
    waiting.splice(waiting.indexOf(item), 1);
    this.#items.delete(id);
    return item;
  }

  /** Removes what was let in; its tenant's next turn comes the later the more it cost. */
  serve(id: string): void {
    const item = this.remove(id);
    if (item === undefined) return;
    const line = this.#line(item.request.tenant);
    this.#virtual = Math.max(this.#virtual, line.tag);
    line.tag += costOf(item.request) / line.weight;
    // When nobody waits any more, nobody is owed anything: a new busy time begins.
    if (this.size === 0) this.#lines.clear();
  }

  /** A tenant that could not have gone on even alone saves up no turns. */
  forfeit(tenant: string): void {
    const line = this.#lines.get(tenant);
    if (line) line.tag = Math.max(line.tag, this.#virtual);
  }

  /** In the order in which they are expected to be let in. What is yielded may be served or removed before the next one is asked for. */
  *inOrder(): Generator<T, void> {
    const cursors = new Heap<Cursor<T>>((a, b) => a.tag < b.tag);
    for (const line of this.#lines.values()) if (line.waiting.length > 0) cursors.put({ line, index: 0, tag: line.tag });
    for (let cursor = cursors.first(); cursor !== undefined; cursor = cursors.first()) {
      const { line } = cursor;
      const item = line.waiting[cursor.index];
      if (item === undefined) {
        cursors.remove(cursor);
        continue;
      }
      yield item;
      cursor.tag += costOf(item.request) / line.weight;
      if (line.waiting[cursor.index] === item) cursor.index += 1;
      cursors.put(cursor);
    }
  }

  /** Of each tenant that waits, how many requests. */
  tenants(): { readonly tenant: string; readonly waiting: number; readonly weight: number }[] {
    return [...this.#lines]
      .filter(([, { waiting }]) => waiting.length > 0)
      .map(([tenant, { waiting, weight }]) => ({ tenant, waiting: waiting.length, weight }));
  }

  #line(tenant: string): Line<T> {
    const known = this.#lines.get(tenant);
    if (known) return known;
    if (this.#lines.size >= IDLE_TENANTS_MAX) this.#forget();
    const line: Line<T> = { waiting: [], weight: 1, tag: this.#virtual };
    this.#lines.set(tenant, line);
    return line;
  }

  /** Of tenants that have nothing waiting no more is known than whose turn it was last. */
  #forget(): void {
    for (const [tenant, { waiting }] of this.#lines) if (waiting.length === 0) this.#lines.delete(tenant);
  }
}

/** Behind all that are as urgent. */
function placeFor<T extends Queued>(waiting: readonly T[], item: T): number {
  const key = urgency(item.request);
  let from = 0;
  let to = waiting.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const other = waiting[middle];
    if (other !== undefined && urgency(other.request) <= key) from = middle + 1;
    else to = middle;
  }
  return from;
}
