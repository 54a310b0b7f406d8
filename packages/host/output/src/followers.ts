/** Where one reader of an output file is. */
export interface Place extends Disposable {
  /** It still needs what lies from here on. */
  offset: number;
  /** What lies before here was given up, whether it had been read or not. */
  cut: number;
}

/** Where each reader of an output file is, so that trimming can wait for it, and tell it when it waited no longer. */
export class Followers {
  readonly #places = new Map<string, Set<Place>>();

  /** A new reader; until it knows where it begins it holds back all trimming that can wait. */
  enter(path: string): Place {
    const places = this.#places.get(path) ?? new Set();
    this.#places.set(path, places);
    const place: Place = {
      offset: 0,
      cut: 0,
      [Symbol.dispose]: () => {
        places.delete(place);
        if (places.size === 0 && this.#places.get(path) === places) this.#places.delete(path);
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

  /** To be called before what lies ahead of `head` is punched out: a reader that finds zeros there knows already. */
  cut(path: string, head: number): void {
    for (const place of this.#places.get(path) ?? []) place.cut = Math.max(place.cut, head);
  }
}
