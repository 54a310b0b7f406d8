import type { StartPlan } from "@isthmus/core";

/** where `ip netns` keeps namespaces by name */
const NAMESPACES = "/run/netns";

/**
 * Program and arguments that run a VMM where its network device is: in the network's namespace, or for a guest that is on none yet, in an empty one that goes with it. Both helpers become the program,
 * so that its process is the one that was spawned.
 */
export function inNamespace(
  { network, nic }: Pick<StartPlan, "network" | "nic">,
  program: string,
  args: readonly string[],
): readonly [program: string, args: readonly string[]] {
  if (network !== "bridge") return [program, args];
  if (nic === undefined) return ["unshare", ["--net", "--", program, ...args]];
  return ["nsenter", [`--net=${NAMESPACES}/${nic.namespace}`, "--", program, ...args]];
}
