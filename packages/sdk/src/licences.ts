import type { LicencePoolSpec, LicencePoolStatus, LicenceReport } from "@isthmus/contract";
import type { CallOptions, LicenceReportOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** The licence pools of a host. Machines that need a product take seats when they start and return them when they end. */
export class Licences {
  readonly #transport: Transport;

  /** Use `isthmus.licences`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Adds a pool. Throws LICENCE_POOL_TAKEN, INVALID_NAME, INVALID_REQUEST. */
  add(pool: LicencePoolSpec, options: CallOptions = {}): Promise<LicencePoolStatus> {
    return this.#transport.json({ method: "POST", path: "/licences", json: pool, signal: options.signal });
  }

  /** Adds a pool, or changes the one of its name: product and metric stay, and machines keep what they hold. Throws INVALID_NAME, INVALID_REQUEST. */
  replace(pool: LicencePoolSpec, options: CallOptions = {}): Promise<LicencePoolStatus> {
    return this.#transport.json({ method: "PUT", path: pathOf(pool.name ?? pool.product), json: pool, signal: options.signal });
  }

  /** All pools by name, with who holds their seats now. */
  async list(options: CallOptions = {}): Promise<readonly LicencePoolStatus[]> {
    const { signal } = options;
    const { pools } = await this.#transport.json<{ pools: readonly LicencePoolStatus[] }>({ method: "GET", path: "/licences", signal });
    return pools;
  }

  /** One pool. Throws LICENCE_POOL_NOT_FOUND. */
  get(name: string, options: CallOptions = {}): Promise<LicencePoolStatus> {
    return this.#transport.json({ method: "GET", path: pathOf(name), signal: options.signal });
  }

  /** Removes a pool; `force` also while machines hold its seats, which keep running. Throws LICENCE_POOL_NOT_FOUND, LICENCE_POOL_IN_USE. */
  remove(name: string, options: CallOptions & { readonly force?: boolean } = {}): Promise<LicencePoolStatus> {
    const { force, signal } = options;
    return this.#transport.json({ method: "DELETE", path: pathOf(name), query: { force }, signal });
  }

  /** Who used what when, with the high-water mark of each day and a forecast, computed from the event log alone. */
  report(options: LicenceReportOptions = {}): Promise<LicenceReport> {
    const { since, until, product, audit, signal } = options;
    const query = { since: timeOf(since), until: timeOf(until), product, audit };
    return this.#transport.json({ method: "GET", path: "/licences/report", query, signal });
  }
}

function timeOf(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}

function pathOf(name: string): string {
  return `/licences/${encodeURIComponent(name)}`;
}
