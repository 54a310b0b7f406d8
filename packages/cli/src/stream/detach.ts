import { DETACH_KEYS } from "../config.ts";

/** Finds the detach keys in what is typed, across chunks. A key that may begin them is held back until the next one decides. */
export class DetachKeys {
  #matched = 0;
  readonly #keys: Uint8Array;

  constructor(keys: Uint8Array = DETACH_KEYS) {
    this.#keys = keys;
  }

  /** What goes on to the workload, and whether the keys were complete (what follows them is dropped). */
  feed(chunk: Uint8Array): { readonly bytes: Uint8Array; readonly detached: boolean } {
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched === this.#keys.length) return { bytes: Uint8Array.from(out), detached: true };
        continue;
      }
      out.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) out.push(byte);
    }
    return { bytes: Uint8Array.from(out), detached: false };
  }
}
