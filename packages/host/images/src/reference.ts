import { IsthmusError } from "@isthmus/contract";
import { referenceLimits } from "./config.ts";

const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const registry = "(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?/)?";
const namePattern = new RegExp(`^${registry}${component}(?:/${component})*$`);
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

export function isDigest(value: unknown): value is string {
  return typeof value === "string" && digestPattern.test(value);
}

/** `abc…` of `sha256:abc…`. */
export function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

function refuse(value: string, reason: string): IsthmusError {
  return new IsthmusError("INVALID_IMAGE_REF", { value: value.slice(0, referenceLimits.chars), reason });
}

/** Docker's short form: `docker.io/library/busybox` is `busybox`. */
function familiar(name: string): string {
  const rest = name.replace(/^(?:index\.)?docker\.io\//, "");
  return rest === name ? name : rest.replace(/^library\//, "");
}

/** `NAME:TAG` of `NAME` or `NAME:TAG`, the tag defaulting to `latest`. Throws INVALID_IMAGE_REF. Grammar: distribution's reference.go. */
export function parseTag(value: string): string {
  if (value.length === 0) throw refuse(value, "it is empty");
  if (value.length > referenceLimits.chars) throw refuse(value, `it is longer than ${referenceLimits.chars} characters`);
  const colon = value.lastIndexOf(":");
  const tagged = colon > value.lastIndexOf("/");
  const name = tagged ? value.slice(0, colon) : value;
  const tag = tagged ? value.slice(colon + 1) : "latest";
  if (!namePattern.test(name)) throw refuse(value, "a name is lower-case letters and digits, divided by '.', '_', '-' or '/'");
  if (!tagPattern.test(tag) || tag.length > referenceLimits.tagChars)
    throw refuse(value, `a tag is 1 to ${referenceLimits.tagChars} letters, digits, '_', '.' or '-'`);
  return `${familiar(name)}:${tag}`;
}

/** The tag, or undefined where `value` is none. */
export function tagOrNothing(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  try {
    return parseTag(value);
  } catch {
    return undefined;
  }
}

/** The hex digits that `value` begins a digest with: of `sha256:abcdef…`, `abcdef…` (6 or more) or `NAME@sha256:…`; undefined when it is none. */
export function digestPrefix(value: string): string | undefined {
  const at = value.indexOf("@");
  const match = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(at === -1 ? value : value.slice(at + 1));
  const hex = match?.[1];
  return hex !== undefined && hex.length >= referenceLimits.digestPrefixChars ? hex : undefined;
}

/** What `find` looks for: a digest's beginning, a tag, or (when it can be read as both) either. Throws INVALID_IMAGE_REF. */
export function parseReference(value: string): { readonly tag?: string; readonly hex?: string } {
  const hex = digestPrefix(value);
  if (hex === undefined) {
    if (value.startsWith("sha256:") || value.includes("@"))
      throw refuse(value, `a digest needs ${referenceLimits.digestPrefixChars} to 64 hex digits`);
    return { tag: parseTag(value) };
  }
  const tag = value.includes("@") || value.startsWith("sha256:") ? undefined : tagOrNothing(value);
  return tag === undefined ? { hex } : { tag, hex };
}
