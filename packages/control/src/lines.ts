import { IsthmusError } from "@isthmus/contract";

/** Cuts bytes into lines. */
export class Lines {
  readonly #most: number;
  #held: Buffer[] = [];
  #bytes = 0;

  /** `most`: bytes of a line. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The lines that these bytes end, without their ends. Throws TOO_LARGE. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let at = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, at)) {
      this.#hold(chunk.subarray(at, end));
      lines.push(Buffer.concat(this.#held).toString("utf8"));
      this.#held = [];
      this.#bytes = 0;
      at = end + 1;
    }
    this.#hold(chunk.subarray(at));
    return lines;
  }

  #hold(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#most)
      throw new IsthmusError("TOO_LARGE", { field: "a line", value: `${this.#bytes} bytes`, limit: `${this.#most} bytes` });
    if (piece.length > 0) this.#held.push(piece);
  }
}
