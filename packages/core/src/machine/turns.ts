/**
 * Lets work that holds up everything else, such as durable writes, through one at a time, with a turn of the event loop after each: however many come at
 * once, other requests are answered in between.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when it is the caller's turn, in the order of the calls. */
  async next(): Promise<void> {
    const before = this.#last;
    this.#last = before.then(() => new Promise<void>((resolve) => setImmediate(resolve)));
    await before;
  }
}
