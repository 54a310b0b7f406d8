import type { Measure } from "@isthmus/contract";
import type { PolicyMachine } from "./look.ts";
import type { Kind } from "./pressed.ts";

/** A measure against pressure. */
export interface Rung {
  readonly measure: Measure;
  /** what it helps against */
  readonly helps: readonly Kind[];
  /** machines that it can be done to; absent: it is done to the host as a whole */
  readonly targets?: (machines: readonly PolicyMachine[]) => readonly PolicyMachine[];
  /** done to one machine at a time, so that its effect is seen first */
  readonly oneByOne?: true;
}

const low = ({ priority }: PolicyMachine) => priority === "low";
const mostMemoryFirst = (a: PolicyMachine, b: PolicyMachine) => b.use.memoryBytes - a.use.memoryBytes;
const order = { low: 0, normal: 1, high: 2 } as const;

/**
 * The measures, the gentlest first. Suspending writes a guest's memory to disk, so it is none against busy disks; and a busy processor is no reason to
 * refuse machines, whose weights share it. Only a machine whose spec says so is ever stopped.
 */
export const ladder: readonly Rung[] = [
  { measure: "pools", helps: ["memory"] },
  { measure: "reclaim", helps: ["memory"], targets: (machines) => machines.filter(({ idle }) => idle), oneByOne: true },
  { measure: "weights", helps: ["cpu", "io"], targets: (machines) => machines.filter(low) },
  {
    measure: "suspend",
    helps: ["memory"],
    targets: (machines) => machines.filter((one) => low(one) && one.idle && one.state === "running").sort(mostMemoryFirst),
    oneByOne: true,
  },
  { measure: "refuse", helps: ["memory", "io"] },
  {
    measure: "evict",
    helps: ["memory"],
    targets: (machines) =>
      machines
        .filter(({ evictable, state }) => evictable && state !== "stopping")
        .sort((a, b) => order[a.priority] - order[b.priority] || mostMemoryFirst(a, b)),
    oneByOne: true,
  },
];
