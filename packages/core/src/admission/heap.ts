/** A binary heap that knows where its items are: adding, taking the first, removing any and moving one whose key changed take O(log n). */
export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];
  readonly #places = new Map<T, number>();

  /** `before` tells whether `a` comes before `b`; it must be strict. */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  has(item: T): boolean {
    return this.#places.has(item);
  }

  first(): T | undefined {
    return this.#items[0];
  }

  /** In no order. */
  values(): readonly T[] {
    return this.#items;
  }

  /** Adds the item, or moves it when its key changed. */
  put(item: T): void {
    const place = this.#places.get(item) ?? this.#items.length;
    if (place === this.#items.length) this.#set(place, item);
    this.#sink(this.#rise(place));
  }

  remove(item: T): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    this.#places.delete(item);
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#set(place, last);
      this.#sink(this.#rise(place));
    }
    return true;
  }

  #set(place: number, item: T): void {
    this.#items[place] = item;
    this.#places.set(item, place);
  }

  #at(place: number): T {
    return this.#items[place] as T;
  }

  #rise(from: number): number {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!this.#before(this.#at(place), this.#at(above))) break;
      this.#swap(place, above);
      place = above;
    }
    return place;
  }

  #sink(from: number): void {
    let place = from;
    for (;;) {
      let first = place;
      for (const below of [2 * place + 1, 2 * place + 2])
        if (below < this.#items.length && this.#before(this.#at(below), this.#at(first))) first = below;
      if (first === place) return;
      this.#swap(place, first);
      place = first;
    }
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#at(a), this.#at(b)];
    this.#set(a, other);
    this.#set(b, one);
  }
}
