import { printable } from "../validation.ts";
import type { Random } from "./random.ts";

/** The part of JSON Schema that our schemas use. */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
}

/** A value that fits `schema`, mostly. */
export function fitting(schema: Schema, random: Random): unknown {
  if ("const" in schema) return schema.const;
  if (schema.anyOf) return fitting(random.pick(schema.anyOf), random);
  switch (schema.type) {
    case "integer":
    case "number":
      return (schema.minimum ?? 0) + random.int(Math.min((schema.maximum ?? 1000) - (schema.minimum ?? 0) + 1, 1_000_000));
    case "boolean":
      return random.chance(2);
    case "array":
      return Array.from({ length: random.int(4) }, () => fitting(schema.items ?? {}, random));
    case "object":
      return fittingObject(schema, random);
    default:
      return schema.pattern?.startsWith("^/") ? `/${random.text(5)}` : random.pick(["a", "x1", "busybox", "1000", "K=V"]);
  }
}

function fittingObject(schema: Schema, random: Random): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(schema.properties ?? {}))
    if (schema.required?.includes(key) || random.chance(3)) object[key] = fitting(inner, random);
  return object;
}

/** Values that have broken programs before. */
const hostile: readonly unknown[] = [
  null,
  "",
  0,
  -1,
  -0,
  1e308,
  Number.MAX_SAFE_INTEGER + 2,
  0.1,
  true,
  [],
  {},
  [[[[[]]]]],
  "\u0000",
  "../../etc/passwd",
  "x".repeat(10_000),
  "\ud800",
  { toString: 1, valueOf: 2 },
  { length: -1 },
  { valueOf: null },
];

/** `value` with one part of it replaced, added or taken away. */
export function mutated(value: unknown, random: Random): unknown {
  if (random.chance(6) || typeof value !== "object" || value === null) return random.pick(hostile);
  if (Array.isArray(value)) {
    if (value.length === 0 || random.chance(4)) return [...value, random.pick(hostile)];
    const at = random.int(value.length);
    return value.map((item, index) => (index === at ? mutated(item, random) : item));
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || random.chance(3))
    return { ...value, [random.pick(["x", "constructor", "hasOwnProperty", random.text(8)])]: random.pick(hostile) };
  const [name] = random.pick(entries);
  if (random.chance(4)) return Object.fromEntries(entries.filter(([key]) => key !== name));
  return Object.fromEntries(entries.map(([key, inner]) => [key, key === name ? mutated(inner, random) : inner]));
}

/** A text that is meant to be JSON, broken now and then. */
export function bodyText(value: unknown, random: Random): string {
  const text = JSON.stringify(value) ?? "undefined";
  switch (random.int(14)) {
    case 0:
      return text.slice(0, random.int(text.length + 1));
    case 1:
      return text.replace("{", '{"__proto__":{"polluted":true},');
    case 2:
      return "[".repeat(20_000);
    case 3:
      return `{"image":${"9".repeat(400)}}`;
    case 4:
      return random.bytes(50).toString("latin1");
    case 5:
      return text.replace("{", '{"image":"a","image":"b",');
    default:
      return text;
  }
}

/** A query string of `properties`, some of its words wrong. */
export function queryText(properties: Readonly<Record<string, Schema>>, random: Random): string {
  const words: string[] = [];
  for (const [key, schema] of Object.entries(properties)) {
    if (random.chance(2)) continue;
    const value = random.chance(3) ? random.pick(hostile) : fitting(schema, random);
    for (const item of Array.isArray(value) ? value : [value])
      words.push(`${encodeURIComponent(key)}=${encode(typeof item === "string" ? item : JSON.stringify(item))}`);
  }
  if (random.chance(8))
    words.push(
      random.pick(["__proto__=1", "x", "=", "%", "a[b]=c", "constructor=1", `limit=${random.text(5)}`.replace(/[^\x21-\x7e]/g, "")]),
    );
  return words.length === 0 ? "" : `?${words.join("&")}`;
}

function encode(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // A lone surrogate has no UTF-8.
    return encodeURIComponent(printable(text));
  }
}
