import { IsthmusError } from "@isthmus/contract";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { SHOWN_CHARS } from "./config.ts";

/** What a line says. Throws INVALID_JSON. */
export function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new IsthmusError("INVALID_JSON", { reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}

export const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;

/** Why a value is not of a schema. */
export function wrong(schema: TSchema, value: unknown, field: string): IsthmusError {
  const [first] = Value.Errors(schema, value);
  const where = (first?.instancePath ?? "").replaceAll("/", ".");
  const at = (first?.instancePath ?? "").split("/").slice(1).reduce<unknown>(member, value);
  const shown = JSON.stringify(at) ?? "nothing";
  return new IsthmusError("INVALID_REQUEST", {
    field: `${field}${where}`,
    value: shown.slice(0, SHOWN_CHARS),
    reason: first?.message ?? "it is of another form",
  });
}

/** Throws INVALID_REQUEST. */
export function checked<T extends TSchema>(schema: T, value: unknown, field: string): Static<T> {
  if (Value.Check(schema, value)) return value;
  throw wrong(schema, value, field);
}

/** A line of the process. Throws PROTOCOL. */
export function replyOf<T extends TSchema>(schema: T, line: string): Static<T> {
  try {
    return checked(schema, parsed(line), "reply");
  } catch (cause) {
    throw new IsthmusError("PROTOCOL", { reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}

/** The `seq` of a line that was not understood, as far as there is one. */
export function seqOf(line: string): number | null {
  try {
    const seq = member(parsed(line), "seq");
    return Number.isSafeInteger(seq) && typeof seq === "number" && seq >= 0 ? seq : null;
  } catch {
    return null;
  }
}
