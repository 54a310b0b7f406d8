import { randomBytes } from "node:crypto";
import { IsthmusError, limits } from "@isthmus/contract";
import { checkName } from "../machine/spec/names.ts";
import { checkTenant } from "../quota/tenant.ts";
import type { StoredVolume, VolumeFolders } from "./ports.ts";

/** bytes of the name of an anonymous volume; it is written as twice as many hex digits */
const ANONYMOUS_BYTES = 16;

/** What a volume goes with while it is imported; no machine's id. */
export const IMPORT = "import";

/** One that is to be made; an anonymous one has no name yet. */
export type NewVolume = Pick<StoredVolume, "sizeBytes" | "labels" | "goesWith" | "tenant"> & { readonly name?: string };

export interface VolumesParts {
  readonly now: () => number;
  /** Throws when a tenant may have no such volume. */
  readonly checkRoom: (tenant: string, sizeBytes: number) => void;
  /** A tenant's volume is gone: what waits may fit now. */
  readonly freed: () => void;
}

/** The volumes of this host: what their folders hold. */
export class Volumes {
  readonly folders: VolumeFolders;
  readonly #parts: VolumesParts;
  readonly #known = new Map<string, StoredVolume>();
  /** those that are being made or removed, by name */
  readonly #reserved = new Map<string, Promise<unknown>>();
  /** names of those that an earlier daemon left */
  readonly #found = new Set<string>();
  /** bytes, by tenant: of those that are, and that are being made */
  readonly #promised = new Map<string, number>();
  #loaded: Promise<void> | undefined;

  constructor(folders: VolumeFolders, parts: VolumesParts) {
    this.folders = folders;
    this.#parts = parts;
  }

  /** What there is, read once. */
  load(): Promise<void> {
    this.#loaded ??= this.folders.load().then((found) => {
      for (const volume of found) {
        this.#known.set(volume.name, volume);
        this.#found.add(volume.name);
        this.#promise(volume, 1);
      }
    });
    return this.#loaded;
  }

  /** By name, with `tenant` its own alone. `load` comes before it. */
  all(tenant?: string): readonly StoredVolume[] {
    const meant = [...this.#known.values()].filter((volume) => (tenant ?? volume.tenant) === volume.tenant);
    return meant.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Those that an earlier daemon left. */
  inherited(): readonly StoredVolume[] {
    return this.all().filter(({ name }) => this.#found.has(name));
  }

  /** Tenants that have volumes. */
  tenants(): Iterable<string> {
    return this.#promised.keys();
  }

  /** What a tenant's volumes may come to hold, bytes. */
  promisedBytes(tenant: string): number {
    return this.#promised.get(tenant) ?? 0;
  }

  /** When no work on a volume of this name is under way. */
  async settled(name: string): Promise<void> {
    await this.#reserved.get(name)?.catch(() => undefined);
  }

  /** Undefined also for one that is being removed. */
  find(name: string): StoredVolume | undefined {
    return this.#reserved.has(name) ? undefined : this.#known.get(name);
  }

  /** With `tenant` there are none but its own. Throws VOLUME_NOT_FOUND. */
  get(name: string, tenant?: string): StoredVolume {
    const found = this.find(name);
    if (found === undefined || (tenant ?? found.tenant) !== found.tenant) throw new IsthmusError("VOLUME_NOT_FOUND", { name });
    return found;
  }

  /** An empty volume. Throws INVALID_NAME, VOLUME_EXISTS, NO_CAPACITY, what `checkRoom` throws, and what `VolumeFolders.create` throws. */
  async create(wanted: NewVolume): Promise<StoredVolume> {
    await this.load();
    const { name = randomBytes(ANONYMOUS_BYTES).toString("hex"), sizeBytes, labels, goesWith, tenant } = wanted;
    checkName(name);
    if (tenant !== undefined) checkTenant(tenant);
    if (this.#known.has(name) || this.#reserved.has(name)) throw new IsthmusError("VOLUME_EXISTS", { name });
    if (this.#known.size + this.#reserved.size >= limits.volumes)
      throw new IsthmusError("NO_CAPACITY", { what: "one more volume", needed: 1, free: 0 });
    const createdAt = new Date(this.#parts.now()).toISOString();
    const owner = { ...(goesWith === undefined ? {} : { goesWith }), ...(tenant === undefined ? {} : { tenant }) };
    const volume: StoredVolume = { name, sizeBytes, labels, createdAt, anonymous: wanted.name === undefined, blank: true, ...owner };
    if (tenant !== undefined) this.#parts.checkRoom(tenant, sizeBytes);
    // Nothing waits since the check: of two that want the last room, one gets it.
    this.#promise(volume, 1);
    return await this.#holding(name, async () => {
      try {
        await this.folders.create(volume);
      } catch (error) {
        this.#promise(volume, -1);
        throw error;
      }
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
      this.#promise(volume, -1);
      return volume;
    });
  }

  #promise({ tenant, sizeBytes }: StoredVolume, sign: 1 | -1): void {
    if (tenant === undefined) return;
    const bytes = this.promisedBytes(tenant) + sign * sizeBytes;
    if (bytes > 0) this.#promised.set(tenant, bytes);
    else this.#promised.delete(tenant);
    if (sign < 0) this.#parts.freed();
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
