import { randomBytes } from "node:crypto";
import { IsthmusError, limits } from "@isthmus/contract";
import { checkName } from "../machine/spec/names.ts";
import type { StoredVolume, VolumeFolders } from "./ports.ts";

/** bytes of the name of an anonymous volume; it is written as twice as many hex digits */
const ANONYMOUS_BYTES = 16;

/** The volumes of this host: what their folders hold. */
export class Volumes {
  readonly folders: VolumeFolders;
  readonly #now: () => number;
  readonly #known = new Map<string, StoredVolume>();
  /** those that are being made or removed, by name */
  readonly #reserved = new Map<string, Promise<unknown>>();
  /** names of those that an earlier daemon left */
  readonly #found = new Set<string>();
  #loaded: Promise<void> | undefined;

  constructor(folders: VolumeFolders, now: () => number) {
    this.folders = folders;
    this.#now = now;
  }

  /** What there is, read once. */
  load(): Promise<void> {
    this.#loaded ??= this.folders.load().then((found) => {
      for (const volume of found) {
        this.#known.set(volume.name, volume);
        this.#found.add(volume.name);
      }
    });
    return this.#loaded;
  }

  /** By name. `load` comes before it. */
  all(): readonly StoredVolume[] {
    return [...this.#known.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Those that an earlier daemon left. */
  inherited(): readonly StoredVolume[] {
    return this.all().filter(({ name }) => this.#found.has(name));
  }

  /** When no work on a volume of this name is under way. */
  async settled(name: string): Promise<void> {
    await this.#reserved.get(name)?.catch(() => undefined);
  }

  /** Undefined also for one that is being removed. */
  find(name: string): StoredVolume | undefined {
    return this.#reserved.has(name) ? undefined : this.#known.get(name);
  }

  /** Throws VOLUME_NOT_FOUND. */
  get(name: string): StoredVolume {
    const found = this.find(name);
    if (found === undefined) throw new IsthmusError("VOLUME_NOT_FOUND", { name });
    return found;
  }

  /** An empty volume. Throws INVALID_NAME, VOLUME_EXISTS, NO_CAPACITY, and what `VolumeFolders.create` throws. */
  async create(wanted: Pick<StoredVolume, "sizeBytes" | "labels" | "goesWith"> & { readonly name?: string }): Promise<StoredVolume> {
    await this.load();
    const { name = randomBytes(ANONYMOUS_BYTES).toString("hex"), sizeBytes, labels, goesWith } = wanted;
    checkName(name);
    if (this.#known.has(name) || this.#reserved.has(name)) throw new IsthmusError("VOLUME_EXISTS", { name });
    if (this.#known.size + this.#reserved.size >= limits.volumes)
      throw new IsthmusError("NO_CAPACITY", { what: "one more volume", needed: 1, free: 0 });
    const createdAt = new Date(this.#now()).toISOString();
    const owner = goesWith === undefined ? {} : { goesWith };
    const volume: StoredVolume = { name, sizeBytes, labels, createdAt, anonymous: wanted.name === undefined, blank: true, ...owner };
    return await this.#holding(name, async () => {
      await this.folders.create(volume);
      this.#known.set(name, volume);
      return volume;
    });
  }

  /** Throws VOLUME_NOT_FOUND, DISK_FULL. */
  async change(name: string, change: Partial<Pick<StoredVolume, "blank" | "goesWith">>): Promise<void> {
    const changed = { ...this.get(name), ...change };
    await this.folders.update(changed);
    this.#known.set(name, changed);
  }

  /** Whether it is in use is the caller's to know. Throws VOLUME_NOT_FOUND. */
  async remove(name: string): Promise<StoredVolume> {
    const volume = this.get(name);
    return await this.#holding(name, async () => {
      await this.folders.remove(name);
      this.#known.delete(name);
      return volume;
    });
  }

  async #holding<T>(name: string, work: () => Promise<T>): Promise<T> {
    const done = work();
    this.#reserved.set(name, done);
    try {
      return await done;
    } finally {
      this.#found.delete(name);
      this.#reserved.delete(name);
    }
  }
}
