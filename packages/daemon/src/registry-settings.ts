import type { RegistrySettings } from "@isthmus/host-images";
import { type Environment, invalid } from "./setting.ts";

const HOST = /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:\d{1,5})?$/;
const proxyNames = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] as const;

/** `ISTHMUS_INSECURE_REGISTRIES`, `ISTHMUS_REGISTRY_MIRRORS` and the proxies that all programs know. Throws CONFIG_INVALID. */
export function readRegistries(env: Environment): RegistrySettings {
  const insecure = listOf(env.ISTHMUS_INSECURE_REGISTRIES);
  for (const host of insecure)
    if (!HOST.test(host)) throw invalid("ISTHMUS_INSECURE_REGISTRIES", host, "must be HOST or HOST:PORT, divided by commas");
  const mirrors = new Map<string, string[]>();
  for (const entry of listOf(env.ISTHMUS_REGISTRY_MIRRORS)) {
    const { registry, url } = mirrorOf(entry, insecure);
    mirrors.set(registry, [...(mirrors.get(registry) ?? []), url]);
  }
  return { insecure, mirrors, proxies: Object.fromEntries(proxyNames.map((name) => [name, env[name]])) };
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function mirrorOf(entry: string, insecure: readonly string[]): { readonly registry: string; readonly url: string } {
  const field = "ISTHMUS_REGISTRY_MIRRORS";
  const cut = entry.indexOf("=");
  const registry = entry.slice(0, Math.max(0, cut));
  const text = entry.slice(cut + 1);
  if (!HOST.test(registry) || !URL.canParse(text))
    throw invalid(field, entry, "must be REGISTRY=URL, such as docker.io=https://mirror.example");
  const url = new URL(text);
  if (url.username !== "" || url.search !== "" || url.hash !== "")
    throw invalid(field, registry, "the URL has a host and perhaps a path, nothing else");
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  const plain = url.protocol === "http:" && (loopback || insecure.includes(url.host));
  if (url.protocol !== "https:" && !plain)
    throw invalid(field, entry, "without TLS only on loopback, or named in ISTHMUS_INSECURE_REGISTRIES");
  return { registry, url: url.href };
}
