/** So many at once, and so many of all that share `whole`. */
export class Room {
  readonly #most: number;
  readonly #whole: Room | undefined;
  #taken = 0;

  constructor(most: number, whole?: Room) {
    this.#most = most;
    this.#whole = whole;
  }

  get taken(): number {
    return this.#taken;
  }

  /** False when there is none. */
  take(): boolean {
    if (this.#taken >= this.#most || this.#whole?.take() === false) return false;
    this.#taken += 1;
    return true;
  }

  give(): void {
    this.#taken -= 1;
    this.#whole?.give();
  }
}
