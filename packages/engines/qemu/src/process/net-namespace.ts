import type { StartPlan } from "@isthmus/core";

/** where `ip netns` keeps namespaces by name */
const NAMESPACES = "/run/netns";

/** Where a VMM that is to be started finds itself. */
export interface VmmPlace extends Pick<StartPlan, "network" | "nic"> {
  /** what it works in, and its words go to */
  readonly folder: string;
}

/** A VMM that is to be started. */
export interface VmmCommand extends VmmPlace {
  /** program and arguments */
  readonly words: readonly [program: string, ...args: readonly string[]];
  /** a file that is open for it as `STATE_FD` */
  readonly statePath?: string;
}

/** Where a VMM's network device is: "" for no namespace of its own, the network's, or for a guest that is on none yet "new", an empty one that goes with it. */
export function namespaceOf({ network, nic }: Pick<VmmPlace, "network" | "nic">): string {
  if (network !== "bridge") return "";
  return nic === undefined ? "new" : `${NAMESPACES}/${nic.namespace}`;
}

/** The words that run it there. Both helpers become the program, so that its process is the one that was spawned. */
export function inNamespace(command: VmmCommand): readonly [program: string, ...args: readonly string[]] {
  const namespace = namespaceOf(command);
  if (namespace === "") return command.words;
  return namespace === "new" ? ["unshare", "--net", "--", ...command.words] : ["nsenter", `--net=${namespace}`, "--", ...command.words];
}
