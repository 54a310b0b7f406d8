import { type Image, IsthmusError, type LicencePool, limits, type MachineSpec } from "@isthmus/contract";
import { LICENCES_LABEL } from "./config.ts";

const PRODUCT = new RegExp(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]{0,${limits.productChars - 1}}$`);

/** Products that spec, labels and image say a machine needs, each once. Throws INVALID_REQUEST, TOO_LARGE. */
export function resolveLicences(spec: MachineSpec, image: Image): string[] {
  const named = [
    ...(spec.licences ?? []),
    ...inLabel(spec.labels?.[LICENCES_LABEL], "labels"),
    ...inLabel(image.config.labels[LICENCES_LABEL], "image label"),
  ];
  const products = [...new Set(named)].sort();
  if (products.length > limits.licences) {
    throw new IsthmusError("TOO_LARGE", { field: "licences", value: `${products.length} products`, limit: limits.licences });
  }
  return products;
}

function inLabel(value: string | undefined, field: string): string[] {
  const products = (value ?? "").split(/[\s,]+/).filter((product) => product !== "");
  const bad = products.find((product) => !PRODUCT.test(product));
  if (bad === undefined) return products;
  const reason = `${JSON.stringify(bad.slice(0, limits.productChars))} is no name of a product`;
  throw new IsthmusError("INVALID_REQUEST", {
    field: `${field} ${LICENCES_LABEL}`,
    reason,
    value: JSON.stringify(bad.slice(0, limits.productChars)),
  });
}

/** Products that a machine needs now: those of its spec, and those of pools that name its image. */
export function productsNeeded(spec: MachineSpec, imageDigest: string, pools: readonly LicencePool[]): string[] {
  const names = [spec.image, /:[^/]*$/.test(spec.image) ? spec.image : `${spec.image}:latest`, imageDigest];
  const byImage = pools.filter((pool) => pool.images.some((pattern) => matches(pattern, names)));
  return [...new Set([...(spec.licences ?? []), ...byImage.map(({ product }) => product)])].sort();
}

function matches(pattern: string, names: readonly string[]): boolean {
  // A pattern without a tag stands for every tag.
  const whole = /:[^/]*$/.test(pattern) ? pattern : `${pattern}:*`;
  return names.some((name) => globbed(whole, name) || globbed(pattern, name));
}

/** Linear in the product of both lengths, unlike a regular expression of many stars. */
function globbed(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return name === pattern;
  if (!name.startsWith(first)) return false;
  const last = rest.pop() ?? "";
  let from = first.length;
  for (const part of rest) {
    const at = name.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return name.length - last.length >= from && name.endsWith(last);
}
