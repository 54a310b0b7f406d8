import type { MachineSpec, Template } from "@isthmus/contract";
import type { CallOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** The templates of a host: snapshots of booted, idle guests that new machines are cloned from. Isthmus makes them by itself. */
export class Templates {
  readonly #transport: Transport;

  /** Use `isthmus.templates`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All templates, last used first. */
  async list(options: CallOptions = {}): Promise<readonly Template[]> {
    const { templates } = await this.#transport.json<{ templates: readonly Template[] }>({
      method: "GET",
      path: "/templates",
      signal: options.signal,
    });
    return templates;
  }

  /** Makes the template for machines of this spec now, unless there is one, so that the first of them starts fast too. Throws TEMPLATE_FAILED. */
  warm(spec: MachineSpec, options: CallOptions = {}): Promise<Template> {
    return this.#transport.json({ method: "POST", path: "/templates", json: spec, signal: options.signal });
  }

  /** Removes a template by its key, or a prefix of 4 characters or more. Machines cloned from it go on. Throws TEMPLATE_NOT_FOUND. */
  remove(key: string, options: CallOptions = {}): Promise<Template> {
    return this.#transport.json({ method: "DELETE", path: `/templates/${encodeURIComponent(key)}`, signal: options.signal });
  }

  /** Removes the templates that no machine was started from for `unusedMs` (default: all), and those that failed. Returns what it removed. */
  async prune(options: CallOptions & { readonly unusedMs?: number } = {}): Promise<readonly Template[]> {
    const { unusedMs, signal } = options;
    const { templates } = await this.#transport.json<{ templates: readonly Template[] }>({
      method: "POST",
      path: "/templates/prune",
      query: { unusedMs },
      signal,
    });
    return templates;
  }
}
