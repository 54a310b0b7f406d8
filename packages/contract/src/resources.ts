import { type Static, Type } from "typebox";
import { limits } from "./limits.ts";

const closed = { additionalProperties: false } as const;
const weight = (description: string) => Type.Optional(Type.Integer({ minimum: 1, maximum: limits.weight, description }));

const rate = (unit: string, most: number) =>
  Type.Optional(
    Type.Object(
      {
        rate: Type.Integer({ minimum: 1, maximum: most, description: `${unit} a second` }),
        burst: Type.Optional(
          Type.Integer({ minimum: 1, maximum: most, description: `${unit} a second while a burst lasts; not below rate` }),
        ),
        burstMs: Type.Optional(
          Type.Integer({
            minimum: 1000,
            maximum: limits.burstMaxMs,
            description: "how long a burst may last, whole seconds; default 1000",
          }),
        ),
      },
      closed,
    ),
  );

/** What a machine may take of its host. What is absent is not limited. */
export const ResourcesSchema = Type.Object(
  {
    cpuWeight: weight("share of processor time when there is too little of it; 100 when absent"),
    cpuMax: Type.Optional(
      Type.Number({
        minimum: limits.cpuMaxLeast,
        maximum: limits.cpus,
        description: "processors that the engine process may use, such as 0.5",
      }),
    ),
    memoryMaxBytes: Type.Optional(
      Type.Integer({
        minimum: limits.memoryMaxLeastBytes,
        maximum: limits.memoryMaxBytes,
        description: "memory of the engine process, guest and all; when it cannot stay below, the host ends it",
      }),
    ),
    ioWeight: weight("share of disk time when there is too little of it; 100 when absent"),
    pidsMax: Type.Optional(
      Type.Integer({ minimum: limits.pidsMaxLeast, maximum: limits.pidsMax, description: "threads of the engine process on the host" }),
    ),
    ioReadBps: rate("bytes", limits.ioBps),
    ioWriteBps: rate("bytes", limits.ioBps),
    ioReadIops: rate("operations", limits.ioIops),
    ioWriteIops: rate("operations", limits.ioIops),
    netReceiveBps: rate("bytes", limits.netBps),
    netSendBps: rate("bytes", limits.netBps),
    netReceivePps: rate("packets", limits.netPps),
    netSendPps: rate("packets", limits.netPps),
  },
  { ...closed, $id: "Resources" },
);

export const PrioritySchema = Type.Union([Type.Literal("low"), Type.Literal("normal"), Type.Literal("high")]);

/** Limits on a machine's network, which only one of the host's has. */
export const networkRates = ["netReceiveBps", "netSendBps", "netReceivePps", "netSendPps"] as const;

/** What a machine may take of its host. */
export type Resources = Static<typeof ResourcesSchema>;
/** What a machine may send and receive. */
export type NetworkRates = Pick<Resources, (typeof networkRates)[number]>;
/** Who waits, and who yields, when a host has too little. */
export type Priority = Static<typeof PrioritySchema>;
