import { limits } from "@isthmus/contract";
import { ErrorBodySchema, PortSchema } from "@isthmus/contract/schemas";
import { checked, parsed, replyOf } from "@isthmus/control";
import { type Static, Type } from "typebox";

/**
 * What the daemon and its publisher say to each other: lines of JSON on a Unix socket, whose mode is 0600. The daemon sends PublisherRequest, the publisher PublisherReply. A publisher outlives its daemon:
 * ports go on listening, and what is open goes on, until the next one connects.
 */
const closed = { additionalProperties: false } as const;
const seq = Type.Integer({ minimum: 0 });
const machine = {
  namespace: Type.String({ pattern: "^[a-z0-9-]{1,64}$", description: "of the machine's network" }),
  address: Type.String({ pattern: "^[0-9.]{7,15}$", description: "of the machine, on its network" }),
};

const WaySchema = Type.Object(
  {
    port: PortSchema,
    target: Type.Object(
      { address: Type.String({ pattern: "^[0-9.]{7,15}$" }), port: Type.Integer({ minimum: 1, maximum: 65535 }) },
      { ...closed, description: "where what comes goes, as the host reaches it" },
    ),
  },
  closed,
);
const ways = Type.Array(WaySchema, { minItems: 1, maxItems: limits.ports });

const RequestSchema = Type.Union([
  Type.Object({ type: Type.Literal("publish"), seq, ...machine, ways }, closed),
  Type.Object({ type: Type.Literal("end"), seq, ...machine }, closed),
  Type.Object({ type: Type.Literal("count"), seq, ...machine }, closed),
  Type.Object({ type: Type.Literal("list"), seq }, closed),
  Type.Object({ type: Type.Literal("stop"), seq }, closed),
]);

const ReplySchema = Type.Union([
  Type.Object({ type: Type.Literal("hello"), protocol: Type.Integer(), pid: Type.Integer() }, closed),
  Type.Object({ type: Type.Literal("published"), seq, ways }, closed),
  Type.Object({ type: Type.Literal("counted"), seq, open: Type.Integer({ minimum: 0 }) }, closed),
  Type.Object({ type: Type.Literal("listed"), seq, all: Type.Array(Type.Object({ ...machine, ways }, closed)) }, closed),
  Type.Object({ type: Type.Literal("done"), seq }, closed),
  Type.Object({ type: Type.Literal("refused"), seq: Type.Union([seq, Type.Null()]), error: ErrorBodySchema.properties.error }, closed),
]);

/** A port of the host, and where it leads. */
export type Way = Static<typeof WaySchema>;
/** Whose ports are meant. */
export interface Whose {
  readonly namespace: string;
  readonly address: string;
}
/** Ports of one machine. */
export interface PublishedWays extends Whose {
  readonly ways: readonly Way[];
}
/** A line to a publisher. `publish` takes the place of what the machine had; `seq` comes back in the answer. */
export type PublisherRequest = Static<typeof RequestSchema>;
/** A line of a publisher. */
export type PublisherReply = Static<typeof ReplySchema>;

/** Throws INVALID_JSON, INVALID_REQUEST. */
export function readRequest(line: string): PublisherRequest {
  return checked(RequestSchema, parsed(line), "request");
}

/** Throws PROTOCOL. */
export function readReply(line: string): PublisherReply {
  return replyOf(ReplySchema, line);
}
