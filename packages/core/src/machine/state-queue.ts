import { IsthmusError } from "@isthmus/contract";
import { MACHINE_QUEUE_LENGTH } from "./config.ts";

/**
 * One job at a time, in the order of arrival. Jobs are short: what takes long (a guest's boot, its orderly stop) goes on outside and comes back as
 * another job, so that a kill is never stuck behind a stop.
 */
export class StateQueue {
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** A request of a user. Throws MACHINE_BUSY when too many wait. */
  request<T>(name: string, job: () => T | Promise<T>): Promise<T> {
    if (this.#waiting >= MACHINE_QUEUE_LENGTH) {
      return Promise.reject(new IsthmusError("MACHINE_BUSY", { name, value: this.#waiting, limit: MACHINE_QUEUE_LENGTH }));
    }
    return this.internal(job);
  }

  /** A job of ours, which must not be lost: never refused. There are a few of them per start at most. */
  internal<T>(job: () => T | Promise<T>): Promise<T> {
    this.#waiting += 1;
    const run = this.#tail.then(job).finally(() => {
      this.#waiting -= 1;
    });
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** Settles when every job that is waiting now has run. */
  idle(): Promise<unknown> {
    return this.#tail;
  }
}
