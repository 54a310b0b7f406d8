import { badImage } from "./failures.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws BAD_IMAGE with `what` when the bytes are not one JSON value. */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw badImage(`${what} is not valid JSON`, error);
  }
}

export function parseObject(bytes: Uint8Array, what: string): JsonObject {
  const value = parseJson(bytes, what);
  if (!isObject(value)) throw badImage(`${what} is no JSON object`);
  return value;
}

/** Own fields only: `__proto__` and its like never mean anything. */
export function field(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

export function stringField(object: JsonObject, name: string): string | undefined {
  const value = field(object, name);
  return typeof value === "string" ? value : undefined;
}

export function arrayField(object: JsonObject, name: string, what: string): readonly unknown[] {
  const value = field(object, name) ?? [];
  if (!Array.isArray(value)) throw badImage(`${name} of ${what} is no list`);
  return value;
}
