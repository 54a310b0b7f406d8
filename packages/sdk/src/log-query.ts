import type { LogOptions } from "./options.ts";
import type { Query } from "./transport.ts";

/** What a request for output asks for, now and when it is made again. */
export class LogQuery {
  readonly #options: LogOptions;
  readonly #made = new Date();
  #times = 0;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  /** To read on at `place`; from where the options begin as long as there is none. */
  at(place: number | undefined): Query {
    const { follow, latest, from, tail, since, stdout, stderr } = this.#options;
    const time = since instanceof Date ? since.toISOString() : since;
    const again = this.#times > 0;
    this.#times += 1;
    if (place !== undefined) return { follow, from: place, since: time, stdout, stderr };
    // "What comes next" is what came since, for whoever asks again.
    if (again && tail === 0) return { follow, latest, from, since: this.#made.toISOString(), stdout, stderr };
    return { follow, latest, from, tail, since: time, stdout, stderr };
  }
}
