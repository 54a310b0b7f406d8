import type { Quota, QuotaSpec } from "@isthmus/contract";
import type { CallOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** What tenants may have of a host, and have. */
export class Quotas {
  readonly #transport: Transport;

  /** Use `isthmus.quotas`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Those of all tenants that were given one, or have machines; by tenant. */
  async list(options: CallOptions = {}): Promise<readonly Quota[]> {
    const { quotas } = await this.#transport.json<{ quotas: readonly Quota[] }>({ method: "GET", path: "/quotas", signal: options.signal });
    return quotas;
  }

  /** What holds for a tenant, also for one without a quota. */
  get(tenant: string, options: CallOptions = {}): Promise<Quota> {
    return this.#transport.json({ method: "GET", path: pathOf(tenant), signal: options.signal });
  }

  /** Takes the place of an earlier one, whole: what is absent is as much as the host gives, and weight 1. Machines that run are left alone. */
  set(tenant: string, spec: QuotaSpec, options: CallOptions = {}): Promise<Quota> {
    return this.#transport.json({ method: "PUT", path: pathOf(tenant), json: spec, repeatable: true, signal: options.signal });
  }

  /** The tenant has as much as the host gives from then on. Throws QUOTA_NOT_FOUND. */
  remove(tenant: string, options: CallOptions = {}): Promise<Quota> {
    return this.#transport.json({ method: "DELETE", path: pathOf(tenant), signal: options.signal });
  }
}

function pathOf(tenant: string): string {
  return `/quotas/${encodeURIComponent(tenant)}`;
}
