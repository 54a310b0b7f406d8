/** Runs actions one after the other, in the order they were asked for. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  async run<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action, action);
    this.#last = turn.catch(() => undefined);
    return await turn;
  }
}
