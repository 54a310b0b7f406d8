import { IsthmusError } from "@isthmus/contract";
import { START_QUEUE_LENGTH } from "./config.ts";

interface Waiting {
  readonly grant: () => void;
}

/** Lets so many starts run at a time, first come first served: more at once would only make each of them slower. */
export class StartGate {
  readonly #slots: number;
  readonly #waiting = new Set<Waiting>();
  #inFlight = 0;
  #closed = false;

  constructor(slots: number) {
    this.#slots = Math.max(1, slots);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Throws TOO_MANY_REQUESTS when the queue is full: asked before a start is written down. */
  checkRoom(): void {
    if (this.#waiting.size < START_QUEUE_LENGTH) return;
    throw new IsthmusError("TOO_MANY_REQUESTS", { what: "starts waiting", value: this.#waiting.size, limit: START_QUEUE_LENGTH });
  }

  /** Resolves with the way to give the slot back. Rejects with CANCELLED when `signal` aborts first. After `close` it stays pending. */
  acquire(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(new IsthmusError("CANCELLED", { what: "the start" }));
        return;
      }
      const onAbort = () => {
        this.#waiting.delete(waiting);
        reject(new IsthmusError("CANCELLED", { what: "the start" }));
      };
      const waiting: Waiting = {
        grant: () => {
          signal.removeEventListener("abort", onAbort);
          resolve(this.#take());
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiting);
      this.#advance();
    });
  }

  /** No further start is let in; what waits stays written down for the next daemon. */
  close(): void {
    this.#closed = true;
  }

  #take(): () => void {
    this.#inFlight += 1;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#inFlight -= 1;
      this.#advance();
    };
  }

  #advance(): void {
    for (const waiting of this.#waiting) {
      if (this.#closed || this.#inFlight >= this.#slots) return;
      this.#waiting.delete(waiting);
      waiting.grant();
    }
  }
}
