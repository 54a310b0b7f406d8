import { IsthmusError } from "@isthmus/contract";
import { patternWords } from "@isthmus/contract/schemas";
import type { FastifySchemaValidationError } from "fastify";
import { ECHO_CHARS } from "./config.ts";

/** the field of requests whose content is never shown again, not even to who sent it: errors are logged by clients */
const SECRET_FIELD = "auth";
const HIDDEN = "hidden";

/** What was given, as JSON that fits in a message and cannot break a line or a terminal. */
export function echo(value: unknown): string {
  return printable(value === undefined ? "nothing" : (safeJson(value) ?? typeof value));
}

/** A text, shortened, with every character but plain ASCII escaped. */
export function printable(text: string): string {
  const plain = text.slice(0, ECHO_CHARS + 1).replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return plain.length <= ECHO_CHARS ? plain : `${plain.slice(0, ECHO_CHARS - 1)}…`;
}

function safeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (key, inner: unknown) => {
      if (key === SECRET_FIELD) return HIDDEN;
      return typeof inner === "string" ? inner.slice(0, ECHO_CHARS) : inner;
    });
  } catch {
    return undefined;
  }
}

type Where = "body" | "query" | "params";

/** The error that a failed schema check stands for. `given` is what was checked. */
export function describeFailure(errors: readonly FastifySchemaValidationError[], where: Where, given: unknown): IsthmusError {
  const error = errors[0];
  if (!error) return new IsthmusError("INVALID_REQUEST", { field: where, value: echo(given), reason: "it does not fit the schema" });
  const base = fieldOf(error.instancePath);
  if (error.keyword === "additionalProperties") {
    const name = printable(String(error.params.additionalProperty));
    return new IsthmusError("UNKNOWN_FIELD", { field: base === "" ? name : `${base}.${name}` });
  }
  const missing = error.keyword === "required" ? String(error.params.missingProperty) : "";
  const field = [base, missing].filter((part) => part !== "").join(".") || where;
  const secret = base.split(".")[0] === SECRET_FIELD;
  const value = missing === "" ? (secret ? HIDDEN : echo(at(given, error.instancePath))) : "nothing";
  return new IsthmusError("INVALID_REQUEST", { field, value, reason: reasonOf(errors, error) });
}

function reasonOf(errors: readonly FastifySchemaValidationError[], first: FastifySchemaValidationError): string {
  const alternatives = errors
    .filter((error) => error.keyword === "const" && error.instancePath === first.instancePath)
    .map((error) => echo(error.params.allowedValue));
  if (alternatives.length > 0) return `must be one of ${alternatives.join(", ")}`;
  if (first.keyword === "required") return "it is needed";
  if (first.keyword === "maxItems" || first.keyword === "minItems") {
    return `it takes ${String(first.params.limit)} at ${first.keyword === "maxItems" ? "most" : "least"}`;
  }
  if (first.keyword === "pattern") {
    const pattern = String(first.params.pattern);
    return patternWords.get(pattern) ?? `must match ${printable(pattern)}`;
  }
  return first.message ?? first.keyword;
}

/** `/ports/0/guest` as `ports.0.guest`, bounded and without control characters. */
function fieldOf(instancePath: string): string {
  const parts = instancePath.split("/").slice(1).map(decoded);
  return printable(parts.join("."));
}

function decoded(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

function at(given: unknown, instancePath: string): unknown {
  let value: unknown = given;
  for (const part of instancePath.split("/").slice(1).map(decoded)) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/**
 * A query string's words as the types that `schema` wants: integers, booleans (`true`, `false`, `1`, `0`) and lists. What does not parse stays as
 * it is, for the schema check to refuse.
 */
export function typedQuery(schema: unknown, query: unknown): Record<string, unknown> {
  const typed: Record<string, unknown> = { __proto__: null };
  const properties = propertiesOf(schema);
  for (const [key, value] of Object.entries(Object(query))) typed[key] = typedWord(properties[key]?.type, value);
  return typed;
}

function typedWord(type: string | undefined, value: unknown): unknown {
  if (type === "array") return Array.isArray(value) ? value : [value];
  if (typeof value !== "string") return value;
  if (type === "integer" && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (type === "boolean" && (value === "true" || value === "1")) return true;
  if (type === "boolean" && (value === "false" || value === "0")) return false;
  return value;
}

function propertiesOf(schema: unknown): Readonly<Record<string, { readonly type?: string } | undefined>> {
  return typeof schema === "object" && schema !== null && "properties" in schema ? Object(schema.properties) : {};
}
