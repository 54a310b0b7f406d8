/** the registry of names that name none */
export const DEFAULT_REGISTRY = "docker.io";

/**
 * Registry and repository of an image's name, by docker's rule: what stands before the first slash is a registry when it holds a dot or colon or is
 * `localhost`. `ref` may carry a tag and a digest, which are left out. Pure; checks nothing.
 */
export function registryOf(ref: string): { readonly registry: string; readonly repository: string } {
  const at = ref.indexOf("@");
  const named = at === -1 ? ref : ref.slice(0, at);
  const colon = named.lastIndexOf(":");
  const name = colon > named.lastIndexOf("/") ? named.slice(0, colon) : named;
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  if (first === "localhost" || /[.:A-Z]/.test(first)) {
    const rest = name.slice(slash + 1);
    if (first !== DEFAULT_REGISTRY && first !== `index.${DEFAULT_REGISTRY}`) return { registry: first, repository: rest };
    return { registry: DEFAULT_REGISTRY, repository: rest.includes("/") ? rest : `library/${rest}` };
  }
  return { registry: DEFAULT_REGISTRY, repository: slash === -1 ? `library/${name}` : name };
}
