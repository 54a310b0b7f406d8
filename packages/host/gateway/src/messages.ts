import type { GatewayReply, GatewayRequest } from "@isthmus/contract";
import { GatewayReplySchema, GatewayRequestSchema, GatewayStateSchema } from "@isthmus/contract/schemas";
import { checked, member, parsed, replyOf } from "@isthmus/control";

/** A line to a gateway. Throws INVALID_JSON, INVALID_REQUEST. */
export function readRequest(line: string): GatewayRequest {
  const value = parsed(line);
  // Of a state that is wrong the very field is named, not the whole request.
  if (member(value, "type") === "state") checked(GatewayStateSchema, member(value, "state"), "state");
  return checked(GatewayRequestSchema, value, "request");
}

/** A line of a gateway. Throws PROTOCOL. */
export function readReply(line: string): GatewayReply {
  return replyOf(GatewayReplySchema, line);
}
