import type { Readable } from "node:stream";
import type { Volume, VolumeSpec } from "@isthmus/contract";
import type { CallOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** The volumes of a host; with a tenant's token that tenant's, and there are no others. Methods that take `name` throw VOLUME_NOT_FOUND. */
export class Volumes {
  readonly #transport: Transport;

  /** Use `isthmus.volumes`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** An empty volume, of the tenant that `spec` names; when absent the token's, or the host's for who has no tenant. Throws INVALID_NAME, VOLUME_EXISTS, VOLUME_NAME_TAKEN, QUOTA_REACHED, NEVER_FITS, DISK_FULL. */
  create(spec: VolumeSpec = {}, options: CallOptions = {}): Promise<Volume> {
    return this.#transport.json({ method: "POST", path: "/volumes", json: spec, signal: options.signal });
  }

  /** Volumes with the machines that use them, by name. */
  async list(options: CallOptions = {}): Promise<readonly Volume[]> {
    const { signal } = options;
    const { volumes } = await this.#transport.json<{ volumes: readonly Volume[] }>({ method: "GET", path: "/volumes", signal });
    return volumes;
  }

  /** One volume. */
  get(name: string, options: CallOptions = {}): Promise<Volume> {
    return this.#transport.json({ method: "GET", path: pathOf(name), signal: options.signal });
  }

  /** Removes it with what is in it. Throws VOLUME_IN_USE when a machine names it, also one that has ended. */
  remove(name: string, options: CallOptions = {}): Promise<Volume> {
    return this.#transport.json({ method: "DELETE", path: pathOf(name), signal: options.signal });
  }

  /** Removes the anonymous ones that no machine names, with `all` the others too. Returns what it removed. */
  async prune(options: CallOptions & { readonly all?: boolean } = {}): Promise<readonly Volume[]> {
    const { all, signal } = options;
    const call = { method: "POST", path: "/volumes/prune", query: { all }, signal } as const;
    return (await this.#transport.json<{ volumes: readonly Volume[] }>(call)).volumes;
  }

  /** What is in it, as a tar stream. Throws VOLUME_IN_USE when a machine writes to it. */
  export(name: string, options: CallOptions = {}): Promise<Readable> {
    const accept = { accept: "application/x-tar" };
    return this.#transport.send({
      method: "GET",
      path: `${pathOf(name)}/archive`,
      headers: accept,
      repeatable: false,
      signal: options.signal,
    });
  }

  /** A new volume with what is in a tar stream; there whole or not at all. Throws as `create`, and BAD_ARCHIVE. */
  import(spec: VolumeSpec & { readonly name: string }, archive: Readable, options: CallOptions = {}): Promise<Volume> {
    const { name, sizeBytes, tenant, labels = {} } = spec;
    const query = { sizeBytes, tenant, label: Object.entries(labels).map(([key, value]) => `${key}=${value}`) };
    return this.#transport.json({ method: "PUT", path: `${pathOf(name)}/archive`, query, body: archive, signal: options.signal });
  }
}

function pathOf(name: string): string {
  return `/volumes/${encodeURIComponent(name)}`;
}
