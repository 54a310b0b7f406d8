import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";
import { namePattern } from "./names.ts";

const closed = { additionalProperties: false } as const;
const labels = Type.Record(
  Type.String({ pattern: `^[^\\u0000]{1,${limits.labelKeyChars}}$` }),
  Type.String({ maxLength: limits.labelValueChars, description: "label value" }),
  { ...closed, maxProperties: limits.labels },
);
const block = (description: string) => Type.String({ maxLength: 43, description });
const address = (description: string) => Type.String({ maxLength: 39, description });

export const NetworkSpecSchema = Type.Object(
  {
    name: Type.String({ pattern: namePattern, description: "unique on the host" }),
    subnet: Type.Optional(block("IPv4 block, /16 to /29, such as 10.40.0.0/24; a free one when absent")),
    subnet6: Type.Optional(block("IPv6 block, /64, such as fd40::/64; one made up when absent")),
    internal: Type.Optional(Type.Boolean({ default: false, description: "no way out: machines reach one another only" })),
    labels: Type.Optional(labels),
  },
  { ...closed, $id: "NetworkSpec" },
);

export const NetworkMemberSchema = Type.Object(
  {
    machineId: Type.String(),
    machineName: Type.String(),
    ip: Type.String(),
    ip6: Type.String(),
    aliases: Type.Array(Type.String()),
    holds: Type.Boolean({ description: "it is on the network now; a machine that has ended keeps its addresses only" }),
  },
  closed,
);

export const NetworkSchema = Type.Object(
  {
    name: Type.String(),
    subnet: Type.String(),
    subnet6: Type.String(),
    gateway: Type.String({ description: "where its DNS server answers" }),
    gateway6: Type.String(),
    internal: Type.Boolean(),
    labels,
    createdAt: Type.String({ format: "date-time" }),
    namespace: Type.String({ description: "network namespace on the host, there while a machine is on the network" }),
    machines: Type.Array(NetworkMemberSchema),
  },
  { ...closed, $id: "Network" },
);

export const NetworkListSchema = Type.Object({ networks: Type.Array(NetworkSchema) }, closed);

export const AttachmentSchema = Type.Object(
  {
    network: Type.String({ pattern: namePattern, description: "name of a network" }),
    ip: Type.Optional(address("a free one when absent")),
    ip6: Type.Optional(address("that with the same number as ip when absent")),
    aliases: Type.Optional(
      Type.Array(Type.String({ pattern: namePattern }), { maxItems: limits.networkAliases, description: "more names in its DNS" }),
    ),
  },
  { ...closed, $id: "Attachment" },
);

export const ConnectSchema = Type.Object(
  {
    machine: Type.String({ minLength: 1, maxLength: 1024, description: "name, id, or a prefix of the id" }),
    ip: AttachmentSchema.properties.ip,
    ip6: AttachmentSchema.properties.ip6,
    aliases: AttachmentSchema.properties.aliases,
  },
  { ...closed, $id: "NetworkConnect" },
);
export const DisconnectSchema = Type.Object({ machine: ConnectSchema.properties.machine }, { ...closed, $id: "NetworkDisconnect" });

/** What a network is to be. */
export type NetworkSpec = Static<typeof NetworkSpecSchema>;
/** Machines that reach one another by address and name, apart from those of other networks. */
export type Network = Static<typeof NetworkSchema>;
/** A machine with addresses of a network. */
export type NetworkMember = Static<typeof NetworkMemberSchema>;
/** A machine's place on a network. */
export type Attachment = Static<typeof AttachmentSchema>;
/** Which machine is to be on a network, and how. */
export type NetworkConnect = Static<typeof ConnectSchema>;
