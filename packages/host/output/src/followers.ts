/** Where each reader of an output file is, so that trimming can wait for it. */
export class Followers {
  readonly #places = new Map<string, Set<{ offset: number }>>();

  enter(path: string, offset: number): { offset: number } & Disposable {
    const places = this.#places.get(path) ?? new Set();
    this.#places.set(path, places);
    const place = {
      offset,
      [Symbol.dispose]: () => {
        places.delete(place);
        if (places.size === 0) this.#places.delete(path);
      },
    };
    places.add(place);
    return place;
  }

  /** Of the slowest reader; infinite when nobody reads. */
  slowest(path: string): number {
    let least = Number.POSITIVE_INFINITY;
    for (const place of this.#places.get(path) ?? []) least = Math.min(least, place.offset);
    return least;
  }
}
