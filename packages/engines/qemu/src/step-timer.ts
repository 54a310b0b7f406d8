/** Times of the steps of one start, ms. */
export class StepTimer {
  readonly #steps: Record<string, number> = {};
  #last = performance.now();

  /** The step that ends now. */
  mark(step: string): void {
    const now = performance.now();
    this.#steps[step] = Math.round((now - this.#last) * 10) / 10;
    this.#last = now;
  }

  get steps(): Readonly<Record<string, number>> {
    return { ...this.#steps };
  }
}
