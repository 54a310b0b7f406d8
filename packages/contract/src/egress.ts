import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";

const closed = { additionalProperties: false } as const;
const port = Type.Integer({ minimum: 1, maximum: 65_535 });

export const EgressPortsSchema = Type.Array(Type.Union([port, Type.Object({ first: port, last: port }, closed)]), {
  minItems: 1,
  maxItems: limits.egressPorts,
  description: "ports and ranges of them; all when absent",
});

export const EgressProtocolSchema = Type.Union([Type.Literal("tcp"), Type.Literal("udp"), Type.Literal("icmp"), Type.Literal("any")], {
  default: "tcp",
  description:
    "icmp is echo (ping); any is tcp, udp and, without ports, icmp. QUIC to a name (port 443 of udp) is open to udp only, where the port is written out",
});

/** One thing that is allowed: a name or a block of addresses, and what of it. */
export const EgressRuleSchema = Type.Object(
  {
    host: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: limits.egressHostChars,
        description: "a name such as api.example.org, or *.example.org for all names below it, not itself",
      }),
    ),
    cidr: Type.Optional(
      Type.String({ minLength: 1, maxLength: 43, description: "an address or a block of them, IPv4 or IPv6; instead of host" }),
    ),
    ports: Type.Optional(EgressPortsSchema),
    protocol: Type.Optional(EgressProtocolSchema),
  },
  closed,
);

export const EgressPolicySchema = Type.Object(
  {
    default: Type.Union([Type.Literal("open"), Type.Literal("closed")], {
      description:
        "what happens to what no rule names. Open still refuses addresses of metadata services and of the host itself, which a rule that names that very address allows",
    }),
    allow: Type.Optional(Type.Array(EgressRuleSchema, { maxItems: limits.egressRules })),
  },
  { ...closed, $id: "EgressPolicy", description: "what a machine may reach outside its network (docs/egress.md)" },
);

/** What a machine may reach outside its network. */
export type EgressPolicy = Static<typeof EgressPolicySchema>;
/** One thing that a policy allows. */
export type EgressRule = Static<typeof EgressRuleSchema>;
/** What of it. */
export type EgressProtocol = Static<typeof EgressProtocolSchema>;
