import { type GatewayReply, type GatewayRequest, IsthmusError } from "@isthmus/contract";
import { GatewayReplySchema, GatewayRequestSchema, GatewayStateSchema } from "@isthmus/contract/schemas";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";

const SHOWN_CHARS = 200;

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new IsthmusError("INVALID_JSON", { reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;

function wrong(schema: TSchema, value: unknown, field: string): IsthmusError {
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

/** A line to a gateway. Throws INVALID_JSON, INVALID_REQUEST. */
export function readRequest(line: string): GatewayRequest {
  const value = parsed(line);
  if (Value.Check(GatewayRequestSchema, value)) return value;
  const state = member(value, "state");
  if (member(value, "type") === "state" && !Value.Check(GatewayStateSchema, state)) throw wrong(GatewayStateSchema, state, "state");
  throw wrong(GatewayRequestSchema, value, "request");
}

/** A line of a gateway. Throws PROTOCOL. */
export function readReply(line: string): GatewayReply {
  try {
    const value = parsed(line);
    if (Value.Check(GatewayReplySchema, value)) return value;
    throw wrong(GatewayReplySchema, value, "reply");
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
