import { IsthmusError, limits } from "@isthmus/contract";

/** One look at a volume without a machine. */
export interface VolumeLook {
  readonly what: string;
  readonly writes: boolean;
  /** whose work it is; absent: the owner's of the volume */
  readonly tenant?: string;
}

/** Looks at volumes without a machine: what is under way, by volume. */
export class Looks {
  readonly #open = new Map<string, readonly VolumeLook[]>();

  readonly #copies = new Map<string, number>();

  begin(name: string, look: VolumeLook): () => void {
    this.#open.set(name, [...this.of(name), look]);
    return () => {
      const left = this.of(name).filter((one) => one !== look);
      if (left.length === 0) this.#open.delete(name);
      else this.#open.set(name, left);
    };
  }

  /** An export or import that a caller who is bound to `tenant` asks for: guests for it are none that quotas count. Throws TOO_MANY_REQUESTS. */
  beginCopy(tenant: string | undefined): () => void {
    if (tenant === undefined) return () => {};
    const value = (this.#copies.get(tenant) ?? 0) + 1;
    const limit = limits.volumeCopiesOfTenant;
    if (value > limit)
      throw new IsthmusError("TOO_MANY_REQUESTS", { what: `exports and imports of tenant ${tenant} at a time`, value, limit });
    this.#copies.set(tenant, value);
    return () => {
      const left = (this.#copies.get(tenant) ?? 0) - 1;
      if (left > 0) this.#copies.set(tenant, left);
      else this.#copies.delete(tenant);
    };
  }

  of(name: string): readonly VolumeLook[] {
    return this.#open.get(name) ?? [];
  }
}
