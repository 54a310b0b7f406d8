/** What is counted of a seat. */
export interface CountedSeat {
  readonly pool: string;
  readonly seats: number;
  readonly share?: string;
}

/** Seats in use, counted along while they are taken and returned: `usedSeats` for logs of any length. */
export class SeatCount {
  used = 0;
  /** sizes of the seats under each share */
  readonly #shares = new Map<string, number[]>();

  take(seat: CountedSeat): void {
    this.#change(seat, (sizes) => sizes.push(seat.seats), seat.seats);
  }

  giveBack(seat: CountedSeat): void {
    this.#change(seat, (sizes) => sizes.splice(sizes.indexOf(seat.seats), 1), -seat.seats);
  }

  #change({ pool, share }: CountedSeat, apply: (sizes: number[]) => void, alone: number): void {
    if (share === undefined) {
      this.used += alone;
      return;
    }
    const key = `${pool}\u0000${share}`;
    const sizes = this.#shares.get(key) ?? [];
    const before = Math.max(0, ...sizes);
    apply(sizes);
    this.used += Math.max(0, ...sizes) - before;
    if (sizes.length === 0) this.#shares.delete(key);
    else this.#shares.set(key, sizes);
  }
}
