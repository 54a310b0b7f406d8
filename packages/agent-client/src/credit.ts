import { CREDIT_BATCH_BYTES, CREDIT_MAX_BYTES, INITIAL_CREDIT_BYTES } from "./config.ts";
import { violation } from "./frames.ts";

interface Waiter {
  readonly wanted: number;
  readonly resolve: (taken: number) => void;
}

/** What this side may still send on one channel. Waiters are served in order; a closed window gives 0. */
export class SendWindow {
  #free: number;
  #closed = false;
  readonly #waiters: Waiter[] = [];

  constructor(initialBytes = INITIAL_CREDIT_BYTES) {
    this.#free = initialBytes;
  }

  /** Takes 1 to `wanted` bytes of credit as soon as there are any; 0 once the window is closed. */
  async take(wanted: number): Promise<number> {
    if (this.#closed) return 0;
    if (this.#waiters.length === 0 && this.#free > 0) return this.#spend(wanted);
    return await new Promise((resolve) => {
      this.#waiters.push({ wanted, resolve });
    });
  }

  /** Throws AGENT_PROTOCOL when the sum leaves u32. */
  grant(bytes: number): void {
    this.#free += bytes;
    if (this.#free > CREDIT_MAX_BYTES) throw violation("more credit than a u32 holds");
    while (this.#free > 0) {
      const next = this.#waiters.shift();
      if (next === undefined) return;
      next.resolve(this.#spend(next.wanted));
    }
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(0);
  }

  #spend(wanted: number): number {
    const taken = Math.min(wanted, this.#free);
    this.#free -= taken;
    return taken;
  }
}

/** What the other side may still send on one channel, and when to grant it more. */
export class ReceiveWindow {
  #free = INITIAL_CREDIT_BYTES;
  #consumed = 0;

  /** Throws AGENT_PROTOCOL when `bytes` are more than were granted. */
  received(bytes: number): void {
    if (bytes > this.#free) throw violation("data beyond the granted credit");
    this.#free -= bytes;
  }

  /** Bytes to grant now that `bytes` were handed on; 0 while the batch is small. */
  consumed(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed < CREDIT_BATCH_BYTES) return 0;
    const grant = this.#consumed;
    this.#consumed = 0;
    this.#free += grant;
    return grant;
  }
}
