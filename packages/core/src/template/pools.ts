import { IsthmusError } from "@isthmus/contract";
import type { Clock, Cloning, Engine, HostCapacity, Log, PreparedClone, StartPlan } from "../machine/ports.ts";
import { POOL_FREE_PART, POOL_LOOK_MS, POOL_MAX_FACTOR, POOL_QUIET_MS, type PoolSettings, poolDefaults } from "./config.ts";
import { Demand } from "./demand.ts";
import { endLeftovers } from "./leftovers.ts";
import type { PreparedPlaces } from "./ports.ts";
import type { GuestShape } from "./shape.ts";
import { shapeOf } from "./starting.ts";
import type { Templates } from "./templates.ts";

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

/** Engine processes prepared ahead, as many of each template as its recent demand asks for. They are no machines: a daemon that goes ends them. */
export class Pools {
  readonly #parts: PoolsParts;
  readonly #settings: PoolSettings;
  readonly #pools = new Map<string, Pool>();
  readonly #stop = new AbortController();
  #cleared = false;
  #held = false;
  #working: Promise<void> | undefined;
  #cancelLook: (() => void) | undefined;

  constructor(parts: PoolsParts) {
    this.#parts = parts;
    this.#settings = parts.settings ?? poolDefaults;
  }

  /** How many stand ready. */
  count(key: string): number {
    return this.#pools.get(key)?.ready.length ?? 0;
  }

  /** Ends those of one template. */
  async drop(key: string): Promise<void> {
    const pool = this.#pools.get(key);
    this.#pools.delete(key);
    for (const entry of pool?.ready.splice(0) ?? []) await this.#end(entry);
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
    // A process that runs already has no volume in its places, and its device is on no network.
    if (cloning === undefined || this.#stop.signal.aborted || plan.volumes.length + plan.shares.length > 0 || plan.nic) return undefined;
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

  /** While `held` is set all are given back and none is prepared. */
  async hold(held: boolean): Promise<void> {
    this.#held = held;
    if (held) await this.#shrink(() => 0);
    else this.#look(POOL_QUIET_MS);
  }

  /** Ends all. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelLook?.();
    await this.#working?.catch(() => undefined);
    await this.#shrink(() => 0);
  }

  /** Somebody starts a machine of this template, or will: the demand for it grows by one. */
  want(key: string, cloning: Cloning, shape: GuestShape): void {
    const known = this.#pools.get(key);
    const pool: Pool = known ?? { cloning, shape, demand: new Demand(this.#settings.halfLifeMs), ready: [] };
    if (known === undefined) this.#pools.set(key, pool);
    pool.demand.add(this.#parts.clock.now());
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
    for (const [key, pool] of this.#pools) {
      const unused = this.#target(pool) === 0 || !this.#parts.templates.ready(key);
      if (pool.ready.length === 0 && unused && this.#demanded(pool) === 0) this.#pools.delete(key);
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
    const { places, templates } = this.#parts;
    const place = await places.create(pool.shape.diskBytes === undefined ? undefined : templates.diskPath(key));
    try {
      const clone = await pool.cloning.prepare(pool.shape, templates.folder(key), place, this.#stop.signal);
      const entry = { placeId: place.id, clone };
      // It may have been dropped meanwhile.
      if (this.#pools.get(key) !== pool) return await this.#end(entry);
      pool.ready.push(entry);
      void clone.ended.then(() => this.#lost(pool, entry));
    } catch (error) {
      await places.remove(place.id);
      if (this.#stop.signal.aborted) return;
      pool.demand.forget();
      throw IsthmusError.from(error);
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
