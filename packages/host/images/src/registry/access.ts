import type { RegistryAuth } from "@isthmus/contract";
import { type RegistryLimits, type RegistrySettings, registryLimits } from "./config.ts";
import { endpointsOf } from "./endpoints.ts";
import { RegistryHttp } from "./http.ts";
import { RegistryClient } from "./registry-client.ts";
import type { RemoteReference } from "./remote-reference.ts";

/** What all work with registries shares: settings, limits, and connections, which are kept while there is any work. */
export class RegistryAccess {
  readonly settings: RegistrySettings;
  readonly limits: RegistryLimits;
  readonly http: RegistryHttp;
  #works = 0;

  constructor(settings: RegistrySettings, changed: Partial<RegistryLimits> = {}) {
    this.settings = settings;
    this.limits = { ...registryLimits, ...changed };
    this.http = new RegistryHttp(this.limits, settings.proxies);
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#works += 1;
    try {
      return await work();
    } finally {
      this.#works -= 1;
      if (this.#works === 0) this.http.close();
    }
  }
}

export interface ClientsOptions {
  /** the user's words */
  readonly ref: string;
  readonly auth?: RegistryAuth | undefined;
  readonly actions: "pull" | "pull,push";
  /** other repositories of the registry that are read from */
  readonly alsoPull?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** A client for each server that has the image, mirrors first; what is sent goes to the registry itself. Throws INVALID_IMAGE_REF. */
export function clientsOf(
  { settings, limits, http }: RegistryAccess,
  remote: RemoteReference,
  { ref, auth, actions, alsoPull = [], signal }: ClientsOptions,
): readonly RegistryClient[] {
  const endpoints = endpointsOf(remote.registry, settings).filter(({ isMirror }) => actions === "pull" || !isMirror);
  const common = { http, limits, repository: remote.repository, ref, auth, actions, alsoPull, signal };
  return endpoints.map((endpoint) => new RegistryClient({ ...common, endpoint }));
}
