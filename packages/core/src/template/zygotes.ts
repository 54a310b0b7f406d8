import { hasCode } from "@isthmus/contract";
import type { Cloning, Log, PreparedClone, Zygote } from "../machine/ports.ts";
import { ZYGOTE_IDLE_MS, ZYGOTE_RETRY_MS, ZYGOTES_MAX } from "./config.ts";
import type { PreparedPlaces } from "./ports.ts";
import type { ClonePlace, GuestShape } from "./shape.ts";
import type { Templates } from "./templates.ts";

export interface ZygotesParts {
  readonly places: PreparedPlaces;
  readonly templates: Pick<Templates, "ready" | "folder" | "diskPath">;
  readonly log: Log;
  /** ms */
  readonly now: () => number;
  /** false: there is no room for another one now */
  readonly room: () => boolean;
  readonly signal: AbortSignal;
}

interface Kept {
  readonly placeId: string;
  readonly zygote: Zygote;
  /** when it was made or last forked */
  usedMs: number;
}

/** At most one zygote of each template, which serves until another has taken its place, and so many in all. */
export class Zygotes {
  readonly #parts: ZygotesParts;
  readonly #kept = new Map<string, Kept>();
  readonly #making = new Map<string, Promise<void>>();
  /** by key, when it may be tried again */
  readonly #notBefore = new Map<string, number>();

  constructor(parts: ZygotesParts) {
    this.#parts = parts;
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  /** Settles when none is being made any more, whatever became of it. */
  async settled(key: string): Promise<void> {
    await this.#making.get(key);
  }

  /** Begins to make one, unless there is one that can be used, or none can be made now. */
  want(key: string, cloning: Cloning, shape: GuestShape): void {
    const { templates, signal, room, now } = this.#parts;
    const due = this.#kept.get(key)?.zygote.stale ?? true;
    if (!due || this.#making.has(key) || signal.aborted || cloning.zygote === undefined) return;
    if (!templates.ready(key) || !room() || now() < (this.#notBefore.get(key) ?? 0)) return;
    const place = this.#kept.has(key) || this.#kept.size + this.#making.size < ZYGOTES_MAX ? Promise.resolve() : this.#leastUsed();
    const making = place?.then(() => this.#make(key, cloning, shape)).finally(() => this.#making.delete(key));
    if (making !== undefined) this.#making.set(key, making);
  }

  /** The end of the one that was not used for longest, if that is long enough. */
  #leastUsed(): Promise<void> | undefined {
    const [key, kept] = [...this.#kept].sort(([, one], [, other]) => one.usedMs - other.usedMs)[0] ?? [];
    if (key === undefined || kept === undefined || this.#parts.now() - kept.usedMs < ZYGOTE_IDLE_MS) return undefined;
    this.#kept.delete(key);
    return this.#letGo(kept);
  }

  /** A clone that waits, in `place`. Undefined when there is no zygote, or it failed, which ends it. Throws DISK_FULL. */
  async fork(key: string, place: ClonePlace): Promise<PreparedClone | undefined> {
    const kept = this.#kept.get(key);
    if (kept !== undefined) kept.usedMs = this.#parts.now();
    try {
      return await kept?.zygote.fork(place);
    } catch (error) {
      if (hasCode(error, "DISK_FULL")) throw error;
      if (this.#kept.get(key) !== kept) return undefined;
      this.#parts.log.warn({ template: key, err: error }, "a zygote could not be forked");
      this.#later(key);
      await this.drop(key);
      return undefined;
    }
  }

  async drop(key: string): Promise<void> {
    await this.#making.get(key);
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept !== undefined) await this.#end(kept);
  }

  async dropAll(): Promise<void> {
    for (const key of new Set([...this.#kept.keys(), ...this.#making.keys()])) await this.drop(key);
  }

  async #make(key: string, cloning: Cloning, shape: GuestShape): Promise<void> {
    const { places, templates, signal, log } = this.#parts;
    const before = this.#kept.get(key);
    let placeId: string | undefined;
    try {
      const place = await places.create(shape.diskBytes === undefined ? undefined : { copyOf: templates.diskPath(key) });
      placeId = place.id;
      const zygote = await cloning.zygote?.(shape, templates.folder(key), place, signal);
      if (zygote === undefined) {
        this.#later(key);
        await places.remove(placeId);
        return;
      }
      const kept = { placeId, zygote, usedMs: this.#parts.now() };
      this.#kept.set(key, kept);
      void zygote.ended.then(() => this.#lost(key, kept));
      if (before !== undefined) await this.#letGo(before);
    } catch (error) {
      this.#later(key);
      if (placeId !== undefined) await places.remove(placeId).catch(() => undefined);
      if (!signal.aborted) log.warn({ template: key, err: error }, "a zygote could not be made: clones are restored one by one");
    }
  }

  #later(key: string): void {
    this.#notBefore.set(key, this.#parts.now() + ZYGOTE_RETRY_MS);
  }

  /** Its process ended by itself. */
  #lost(key: string, kept: Kept): void {
    if (this.#kept.get(key) !== kept) return;
    this.#kept.delete(key);
    void this.#letGo(kept);
  }

  /** Ends one that nobody asked to end: what is left of it is no reason to fail. */
  async #letGo(kept: Kept): Promise<void> {
    await this.#end(kept).catch((error: unknown) => this.#parts.log.warn({ err: error }, "a zygote was left behind"));
  }

  async #end({ placeId, zygote }: Kept): Promise<void> {
    await zygote.end();
    await this.#parts.places.remove(placeId);
  }
}
