import { randomInt } from "node:crypto";
import { IsthmusError, limits } from "@isthmus/contract";
import { NAME_TRIES } from "../config.ts";

const adjectives =
  "amber bold brave brisk calm clear clever coral crisp dapper eager early fair fleet gentle glad golden keen kind light lively lucky mellow merry mild misty nimble noble patient placid plucky proud quick quiet rapid ready royal rustic sandy silent silver sleek smooth snug solid spry steady still sunny swift tidal tidy vivid warm wise witty".split(
    " ",
  );
const nouns =
  "atoll bay beach bluff breeze bridge canal cape cliff cove creek current delta dune estuary fjord ford gulf harbor haven heron inlet island islet jetty lagoon lake ledge marsh mesa mole narrows oasis osprey otter pebble pelican pier plover point pool puffin quay reef ridge river sandbar shoal shore sound spit spring strait tern tide wharf".split(
    " ",
  );

/** A free name such as `calm-inlet`; with digits when the short ones are taken. */
export function makeName(taken: (name: string) => boolean): string {
  for (let attempt = 0; attempt < NAME_TRIES; attempt += 1) {
    const name = `${pick(adjectives)}-${pick(nouns)}`;
    if (!taken(name)) return name;
  }
  for (;;) {
    const name = `${pick(adjectives)}-${pick(nouns)}-${randomInt(1, 1_000_000)}`;
    if (!taken(name)) return name;
  }
}

/** Throws INVALID_NAME. Names that could be meant as an id are refused, so that every reference means one thing. */
export function checkName(name: string): void {
  const reason = nameFault(name);
  if (reason !== undefined) throw new IsthmusError("INVALID_NAME", { field: "name", value: shown(name), reason });
}

function nameFault(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (name.length > limits.nameChars) return `it has ${name.length} characters, the limit is ${limits.nameChars}`;
  if (!/^[a-zA-Z0-9]/.test(name)) return "it does not begin with a letter or digit";
  if (!/^[a-zA-Z0-9_.-]+$/.test(name)) return "it holds a character other than letters, digits, '_', '.' and '-'";
  if (/^[0-9a-f]{16}$/.test(name)) return "it looks like a machine id";
  return undefined;
}

/** A value for a message: short, and without control characters. */
export function shown(value: string): string {
  const plain = JSON.stringify(value);
  return plain.length > 80 ? `${plain.slice(0, 77)}…"` : plain;
}

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? "still";
}
