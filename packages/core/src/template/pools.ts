import { IsthmusError } from "@isthmus/contract";
import type { Clock, Cloning, Engine, HostCapacity, Log, PreparedClone, StartPlan } from "../machine/ports.ts";
import { POOL_FREE_PART, POOL_LOOK_MS, POOL_MAX_FACTOR, POOL_QUIET_MS, type PoolSettings, poolDefaults } from "./config.ts";
import { Demand } from "./demand.ts";
import { endLeftovers } from "./leftovers.ts";
import type { PreparedPlaces } from "./ports.ts";
import type { GuestShape } from "./shape.ts";
import { shapeOf } from "./starting.ts";
import type { Templates } from "./templates.ts";
import { Zygotes } from "./zygotes.ts";

export interface PoolsParts {
  readonly places: PreparedPlaces;
  readonly templates: Templates;
  readonly clock: Clock;
  readonly capacity: HostCapacity;
  readonly log: Log;
  /** true while machines start */
  readonly busy: () => boolean;
  readonly settings?: PoolSettings;
}

interface Entry {
  readonly placeId: string;
  readonly clone: PreparedClone;
}

interface Pool {
  readonly cloning: Cloning;
  readonly shape: GuestShape;
  readonly demand: Demand;
  readonly ready: Entry[];
}

/**
 * Engine processes prepared ahead, as many of each template as its recent demand asks for, and beside them a zygote, of which they are forks: a start that
 * finds none ready takes a new fork. They are no machines: a daemon that goes ends them.
 */
export class Pools {
  readonly #parts: PoolsParts;
  readonly #settings: PoolSettings;
  readonly #pools = new Map<string, Pool>();
  readonly #stop = new AbortController();
  readonly #zygotes: Zygotes;
  #cleared = false;
  #held = false;
  #working: Promise<void> | undefined;
  #cancelLook: (() => void) | undefined;

  constructor(parts: PoolsParts) {
    this.#parts = parts;
    this.#settings = parts.settings ?? poolDefaults;
    const { places, templates, log, clock } = parts;
    const room = () => this.#cleared && this.#settings.zygotes && !this.#memoryIsLow();
    this.#zygotes = new Zygotes({ places, templates, log, room, now: () => clock.now(), signal: this.#stop.signal });
  }

  /** How many stand ready. */
  count(key: string): number {
    return this.#pools.get(key)?.ready.length ?? 0;
  }

  hasZygote(key: string): boolean {
    return this.#zygotes.has(key);
  }

  /** Ends those of one template, and its zygote. */
  async drop(key: string): Promise<void> {
    const pool = this.#pools.get(key);
    this.#pools.delete(key);
    for (const entry of pool?.ready.splice(0) ?? []) await this.#end(entry);
    await this.#zygotes.drop(key);
  }

  /** Ends what an earlier daemon left: called once; nothing is prepared before. */
  async clear(engines: readonly Engine[]): Promise<void> {
    const { places, log } = this.#parts;
    try {
      await endLeftovers(engines, places.root, places.folder);
      for (const id of await places.list()) await places.remove(id);
    } catch (error) {
      log.warn({ err: error }, "what an earlier daemon left of pools could not be ended");
    }
    this.#cleared = true;
  }

  /** A prepared clone in the folders of the machine that `plan` is for, which must not exist yet; undefined when none stands ready. */
  async claim(engine: Engine, plan: StartPlan): Promise<PreparedClone | undefined> {
    const { cloning } = engine;
    // A process that runs already has no volume in its places.
    if (cloning === undefined || this.#stop.signal.aborted || plan.volumes.length + plan.shares.length > 0) return undefined;
    const shape = shapeOf(plan);
    const { key } = await cloning.shape(shape);
    this.want(key, cloning, shape);
    const entry = this.#pools.get(key)?.ready.shift();
    if (entry === undefined) return undefined;
    try {
      await this.#parts.places.give(entry.placeId, plan.id);
      entry.clone.wake(plan);
      return entry.clone;
    } catch (error) {
      this.#parts.log.warn({ machine: plan.id, err: error }, "a prepared clone could not be used");
      await this.#end(entry);
      return undefined;
    }
  }

  /** A clone of this template in the folders of `plan`, its disk too, that has begun to become its machine; undefined when none can be forked. */
  async fork(key: string, plan: StartPlan): Promise<PreparedClone | undefined> {
    if (this.#stop.signal.aborted || plan.volumes.length + plan.shares.length > 0) return undefined;
    const clone = await this.#zygotes.fork(key, plan);
    if (clone === undefined) this.#look(POOL_QUIET_MS);
    else clone.wake(plan);
    return clone;
  }

  /** While `held` is set all are given back and none is prepared. */
  async hold(held: boolean): Promise<void> {
    this.#held = held;
    if (held) {
      await this.#shrink(() => 0);
      await this.#zygotes.dropAll();
    } else this.#look(POOL_QUIET_MS);
  }

  /** Ends all. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelLook?.();
    await this.#working?.catch(() => undefined);
    await this.#shrink(() => 0);
    await this.#zygotes.dropAll();
  }

  /** Somebody starts a machine of this template, or will: the demand for it grows by one. */
  want(key: string, cloning: Cloning, shape: GuestShape): void {
    const known = this.#pools.get(key);
    const pool: Pool = known ?? { cloning, shape, demand: new Demand(this.#settings.halfLifeMs), ready: [] };
    if (known === undefined) this.#pools.set(key, pool);
    pool.demand.add(this.#parts.clock.now());
    this.#zygotes.want(key, cloning, shape);
    this.#look(POOL_QUIET_MS);
  }

  #look(afterMs: number): void {
    if (this.#stop.signal.aborted) return;
    this.#cancelLook?.();
    this.#cancelLook = this.#parts.clock.after(afterMs, () => {
      this.#working ??= this.#balance()
        .catch((error: unknown) => this.#parts.log.warn({ err: error }, "a clone could not be prepared"))
        .finally(() => {
          this.#working = undefined;
          if (this.#pools.size > 0) this.#look(POOL_LOOK_MS);
        });
    });
  }

  /** Gives back what is too much, then prepares what is missing, one after the other, while no machine starts. */
  async #balance(): Promise<void> {
    const low = this.#memoryIsLow();
    await this.#shrink((pool) => (low ? 0 : this.#target(pool)));
    if (low) await this.#zygotes.dropAll();
    for (const [key, pool] of this.#pools) {
      const unused = this.#target(pool) === 0 || !this.#parts.templates.ready(key);
      if (pool.ready.length > 0 || !unused || this.#demanded(pool) > 0) this.#zygotes.want(key, pool.cloning, pool.shape);
      else await this.drop(key);
    }
    while (this.#cleared && !this.#stop.signal.aborted && !this.#memoryIsLow()) {
      const short = [...this.#pools].find(([key, pool]) => this.#parts.templates.ready(key) && pool.ready.length < this.#target(pool));
      const total = [...this.#pools.values()].reduce((sum, { ready }) => sum + ready.length, 0);
      if (short === undefined || total >= this.#settings.max * POOL_MAX_FACTOR) return;
      if (this.#parts.busy()) {
        await new Promise<void>((resolve) => this.#parts.clock.after(POOL_QUIET_MS, resolve));
        continue;
      }
      await this.#prepare(...short);
    }
  }

  async #prepare(key: string, pool: Pool): Promise<void> {
    await this.#zygotes.settled(key);
    try {
      const entry = (await this.#forked(key, pool)) ?? (await this.#restored(key, pool));
      // It may have been dropped meanwhile.
      if (this.#pools.get(key) !== pool) return await this.#end(entry);
      pool.ready.push(entry);
      void entry.clone.ended.then(() => this.#lost(pool, entry));
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      pool.demand.forget();
      throw IsthmusError.from(error);
    }
  }

  async #forked(key: string, { shape }: Pool): Promise<Entry | undefined> {
    const { places } = this.#parts;
    if (!this.#zygotes.has(key)) return undefined;
    const place = await places.create(shape.diskBytes === undefined ? undefined : {});
    try {
      const clone = await this.#zygotes.fork(key, place);
      await clone?.practise?.(this.#stop.signal);
      if (clone !== undefined) return { placeId: place.id, clone };
    } catch (error) {
      await places.remove(place.id);
      throw error;
    }
    await places.remove(place.id);
    return undefined;
  }

  async #restored(key: string, { cloning, shape }: Pool): Promise<Entry> {
    const { places, templates } = this.#parts;
    const place = await places.create(shape.diskBytes === undefined ? undefined : { copyOf: templates.diskPath(key) });
    try {
      return { placeId: place.id, clone: await cloning.prepare(shape, templates.folder(key), place, this.#stop.signal) };
    } catch (error) {
      await places.remove(place.id);
      throw error;
    }
  }

  /** Its process ended while it waited. */
  #lost(pool: Pool, entry: Entry): void {
    const at = pool.ready.indexOf(entry);
    if (at < 0) return;
    pool.ready.splice(at, 1);
    this.#end(entry).catch((error: unknown) => this.#parts.log.warn({ err: error }, "a prepared clone's folder was left behind"));
  }

  async #shrink(target: (pool: Pool) => number): Promise<void> {
    for (const pool of this.#pools.values()) {
      for (const entry of pool.ready.splice(target(pool))) await this.#end(entry);
    }
  }

  async #end(entry: Entry): Promise<void> {
    await entry.clone.end();
    await this.#parts.places.remove(entry.placeId);
  }

  #target(pool: Pool): number {
    const { min, max } = this.#settings;
    // Where its device is to be is known when its machine is.
    if (pool.shape.network === "bridge") return 0;
    return Math.min(max, Math.max(min, this.#demanded(pool)));
  }

  #demanded({ demand }: Pool): number {
    return demand.machines(this.#parts.clock.now());
  }

  #memoryIsLow(): boolean {
    const { capacity } = this.#parts;
    return this.#held || capacity.memoryFreeBytes() < capacity.memoryTotalBytes() * POOL_FREE_PART;
  }
}
