/** Places that are taken for a while: so many in all, and so many for one machine. */
export class Places {
  readonly #most: number;
  readonly #mostEach: number;
  readonly #each = new Map<string, number>();
  #all = 0;

  constructor(most: number, mostEach: number) {
    this.#most = most;
    this.#mostEach = mostEach;
  }

  /** Takes a place, if there is one. */
  take(machine: string): boolean {
    const taken = this.#each.get(machine) ?? 0;
    if (this.#all >= this.#most || taken >= this.#mostEach) return false;
    this.#all += 1;
    this.#each.set(machine, taken + 1);
    return true;
  }

  giveBack(machine: string): void {
    const taken = this.#each.get(machine) ?? 0;
    this.#all -= 1;
    if (taken > 1) this.#each.set(machine, taken - 1);
    else this.#each.delete(machine);
  }
}
