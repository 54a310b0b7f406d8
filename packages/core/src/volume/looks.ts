/** Looks at volumes without a machine: what is under way, by volume. */
export class Looks {
  readonly #open = new Map<string, { readonly what: string; readonly writes: boolean }[]>();

  begin(name: string, look: { readonly what: string; readonly writes: boolean }): () => void {
    this.#open.set(name, [...this.of(name), look]);
    return () => {
      const left = this.of(name).filter((one) => one !== look);
      if (left.length === 0) this.#open.delete(name);
      else this.#open.set(name, left);
    };
  }

  of(name: string): readonly { readonly what: string; readonly writes: boolean }[] {
    return this.#open.get(name) ?? [];
  }
}
