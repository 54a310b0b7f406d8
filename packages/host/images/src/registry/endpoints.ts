import { DEFAULT_REGISTRY, IsthmusError } from "@isthmus/contract";
import type { RegistryLimits, RegistrySettings } from "./config.ts";
import type { RegistryHttp } from "./http.ts";
import { isLoopback } from "./loopback.ts";

/** the server behind docker.io */
const DOCKER_HUB = "registry-1.docker.io";

/** A server that is asked for a registry's images. */
export interface Endpoint {
  /** the registry as users write it, or the mirror's URL; for messages */
  readonly label: string;
  /** only the registry itself gets the user's secrets; a mirror does not */
  readonly isMirror: boolean;
  readonly secure: boolean;
  /** ends with a slash; undefined: https, or http where that is not spoken */
  readonly base: URL | undefined;
  readonly host: string;
}

/** The servers for a registry, mirrors first. Throws INVALID_IMAGE_REF. */
export function endpointsOf(registry: string, settings: RegistrySettings): readonly Endpoint[] {
  const host = registry === DEFAULT_REGISTRY ? DOCKER_HUB : registry;
  if (!URL.canParse(`https://${host}/`))
    throw new IsthmusError("INVALID_IMAGE_REF", { value: registry, reason: "its registry is no valid host name" });
  const secure = !mayBeInsecure(host, settings);
  const origin = { label: registry, isMirror: false, secure, host, base: secure ? new URL(`https://${host}/`) : undefined };
  return [...(settings.mirrors.get(registry) ?? []).map((url) => mirror(url, settings)), origin];
}

export function mayBeInsecure(host: string, settings: RegistrySettings): boolean {
  return settings.insecure.includes(host) || isLoopback(new URL(`https://${host}/`).hostname);
}

function mirror(text: string, settings: RegistrySettings): Endpoint {
  const base = new URL(text.endsWith("/") ? text : `${text}/`);
  return { label: base.origin, isMirror: true, secure: !mayBeInsecure(base.host, settings), host: base.host, base };
}

/** The address of an endpoint that may lack TLS: the first that answers to `https`, else `http`. */
export async function baseOf(endpoint: Endpoint, http: RegistryHttp, limits: RegistryLimits, signal?: AbortSignal): Promise<URL> {
  if (endpoint.base !== undefined) return endpoint.base;
  const base = new URL(`https://${endpoint.host}/`);
  try {
    const answer = await http.send({ method: "GET", url: new URL("v2/", base), secure: false, idleMs: limits.probeMs, signal });
    answer.body.destroy();
    return base;
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return new URL(`http://${endpoint.host}/`);
  }
}
