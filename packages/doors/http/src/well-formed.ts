import { IsthmusError } from "@isthmus/contract";
import { FIELD_KEYS } from "./config.ts";
import { printable } from "./validation.ts";

/** half of a surrogate pair, which JSON can escape and no encoding can write */
const HALF = /\p{Surrogate}/u;

/** What is looked at, and where it was found; linked, for a path that is written out would be as long as the nesting is deep. */
interface Place {
  readonly value: unknown;
  readonly key?: string;
  readonly up?: Place;
}

/**
 * Texts that no encoding can write become others on their way to a file, a guest or the database, or fail there. Only the half itself is repeated, never the text
 * around it, which may be secret. A body may be nested as deeply as it is long: nothing here calls itself. Throws INVALID_REQUEST.
 */
export function checkWellFormed(where: "params" | "query" | "body", given: unknown): void {
  const open: Place[] = [{ value: given }];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { value } = place;
    if (typeof value === "string") refuse(where, place, value);
    if (typeof value !== "object" || value === null) continue;
    for (const [key, inner] of Object.entries(value)) {
      const below = { value: inner, key, up: place };
      refuse(where, below, key);
      open.push(below);
    }
  }
}

function refuse(where: string, place: Place, text: string): void {
  if (text.isWellFormed()) return;
  const half = HALF.exec(text)?.[0] ?? "";
  const reason = "it holds half of a surrogate pair, which is no character";
  throw new IsthmusError("INVALID_REQUEST", { field: fieldOf(place) || where, value: `"${printable(half)}"`, reason });
}

/** The last keys of those that lead there, which are enough to find it by. */
function fieldOf(place: Place): string {
  const keys: string[] = [];
  for (let at: Place | undefined = place; at?.key !== undefined && keys.length < FIELD_KEYS; at = at.up) keys.unshift(at.key);
  return printable(keys.join("."));
}
