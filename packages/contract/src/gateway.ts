import { type Static, Type } from "typebox";
import { ErrorBodySchema } from "./daemon.ts";
import { EgressPolicySchema } from "./egress.ts";
import { limits } from "./limits.ts";
import { namePattern } from "./names.ts";

/**
 * What the daemon and a network's gateway say to each other: lines of JSON on a Unix socket, whose mode is 0600. The daemon sends GatewayRequest, the gateway GatewayReply. A gateway outlives its
 * daemon: it keeps its state and counts what it refuses until the next one connects. It ends when it is told `stop`, or by SIGTERM.
 */
const closed = { additionalProperties: false } as const;
const address = Type.String({ minLength: 2, maxLength: 39, pattern: "^[0-9a-f.:]+$" });
const block = Type.String({ minLength: 4, maxLength: 43, pattern: "^[0-9a-f.:]+/\\d{1,3}$" });
/** a device of Linux: 15 characters */
const devicePattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$";
const pair = (v: typeof address, description: string) => Type.Object({ v4: v, v6: Type.Optional(v) }, { ...closed, description });

export const GatewayMachineSchema = Type.Object(
  {
    id: Type.String({ pattern: "^[0-9a-f]{1,32}$" }),
    name: Type.String({ pattern: namePattern, description: "its name in this network's DNS" }),
    aliases: Type.Array(Type.String({ pattern: namePattern }), { maxItems: limits.networkAliases }),
    tap: Type.String({ pattern: devicePattern, description: "port of the bridge" }),
    mac: Type.String({ pattern: "^([0-9a-f]{2}:){5}[0-9a-f]{2}$" }),
    v4: address,
    v6: Type.Optional(address),
    egress: EgressPolicySchema,
  },
  closed,
);

export const GatewayStateSchema = Type.Object(
  {
    network: Type.String({ pattern: namePattern, description: "machines are found as NAME and NAME.NETWORK" }),
    bridge: Type.String({ pattern: devicePattern }),
    uplink: Type.Optional(Type.String({ pattern: devicePattern, description: "the way out; absent, the network is a closed one" })),
    gateway: pair(address, "addresses of the bridge, where DNS is served"),
    subnet: pair(block, "blocks of the network, such as 10.89.0.0/24"),
    upstreams: Type.Array(address, {
      maxItems: limits.networkUpstreams,
      description: "DNS servers to ask for other names, reachable from the network's namespace",
    }),
    hostAddresses: Type.Array(address, {
      maxItems: limits.hostAddresses,
      description: "all addresses of the host, on whatever interface: refused unless a rule names that very address",
    }),
    machines: Type.Array(GatewayMachineSchema, { maxItems: limits.networkMachines }),
  },
  { ...closed, $id: "GatewayState" },
);

export const GatewayRequestSchema = Type.Union([
  Type.Object({ type: Type.Literal("state"), seq: Type.Integer({ minimum: 0 }), state: GatewayStateSchema }, closed),
  Type.Object({ type: Type.Literal("stop") }, closed),
]);

export const EgressDenialSchema = Type.Object(
  {
    machine: Type.String({ description: "its id" }),
    kind: Type.Union(
      [
        Type.Literal("address"),
        Type.Literal("dns"),
        Type.Literal("tls"),
        Type.Literal("rebinding"),
        Type.Literal("spoofed"),
        Type.Literal("limit"),
      ],
      {
        description:
          "address: packets to an address that is not allowed; dns: a name that is not; tls: a connection that named another server or none; rebinding: a name whose answer was an address that no name opens; spoofed: frames with another sender than the machine's own, `name` says of what; limit: more than the gateway keeps, `name` says of what",
      },
    ),
    name: Type.Optional(Type.String({ maxLength: limits.egressHostChars })),
    address: Type.Optional(Type.String()),
    port: Type.Optional(Type.Integer()),
    protocol: Type.Optional(Type.String({ description: "tcp, udp, icmp, icmpv6, or the number of another" })),
    count: Type.Integer({ minimum: 1, description: "since this was last told" }),
  },
  closed,
);

export const GatewayReplySchema = Type.Union([
  Type.Object(
    {
      type: Type.Literal("hello"),
      protocol: Type.Literal(1),
      pid: Type.Integer(),
      seq: Type.Union([Type.Integer(), Type.Null()], { description: "of the state in force; null before the first" }),
    },
    closed,
  ),
  Type.Object({ type: Type.Literal("applied"), seq: Type.Integer() }, closed),
  Type.Object(
    {
      type: Type.Literal("refused"),
      seq: Type.Union([Type.Integer(), Type.Null()], { description: "null when the line was not understood" }),
      error: ErrorBodySchema.properties.error,
    },
    closed,
  ),
  Type.Object({ type: Type.Literal("denied"), denials: Type.Array(EgressDenialSchema) }, closed),
  Type.Object({ type: Type.Literal("stopped") }, closed),
]);

/** What a network's gateway is to bring about. Addresses are in their one spelling (`plainAddress`). */
export type GatewayState = Static<typeof GatewayStateSchema>;
/** A machine of the network. */
export type GatewayMachine = Static<typeof GatewayMachineSchema>;
/** A line to a gateway. A state replaces the one before whole; `seq` comes back in the answer. */
export type GatewayRequest = Static<typeof GatewayRequestSchema>;
/** A line of a gateway. After `hello`, one `applied` or `refused` for each state; a state that is refused changes nothing. */
export type GatewayReply = Static<typeof GatewayReplySchema>;
/** Something that a machine tried and was refused. The daemon makes an event `egress.denied` of each, with these as its details. */
export type EgressDenial = Static<typeof EgressDenialSchema>;
