import type { GatewayState } from "@isthmus/contract";
import type { MachinePlan } from "../plan.ts";
import { base, baseKey, ownAddresses, TABLE } from "./base.ts";
import { BRIDGE_TABLE, bridgeBase, bridgeMachine, bridgeWithout } from "./bridge.ts";
import { inetMachine, inetWithout } from "./machine.ts";

/** What is in force. */
export interface Applied {
  readonly state: GatewayState;
  readonly plans: ReadonlyMap<string, MachinePlan>;
}

/** Takes both tables away, whether they are there or not. */
export const nothing: string = [TABLE, BRIDGE_TABLE].flatMap((table) => [`add table ${table}`, `delete table ${table}`]).join("\n");

function whole(next: Applied): string {
  const machines = [...next.plans.values()].flatMap((plan) => [bridgeMachine(plan), inetMachine(plan)]);
  return [nothing, bridgeBase(), base(next.state), ...machines].join("\n");
}

/** One transaction. */
export interface Change {
  readonly rules: string;
  /** machines whose rules it makes anew: what was opened for them is gone with it */
  readonly anew: readonly string[];
  /** true: it takes rules away, and what they counted */
  readonly loses: boolean;
  readonly whole: boolean;
}

/** Brings `next` about. Without `before`, or where the network itself changed, that makes all rules anew. */
export function changeTo(next: Applied, before: Applied | undefined): Change {
  if (!before || baseKey(before.state) !== baseKey(next.state))
    return { rules: whole(next), anew: [...next.plans.keys()], loses: before !== undefined, whole: true };
  const gone = [...before.plans.values()].filter((plan) => next.plans.get(plan.machine.id)?.key !== plan.key);
  const come = [...next.plans.values()].filter((plan) => before.plans.get(plan.machine.id)?.key !== plan.key);
  const rules = [
    ownAddresses(next.state),
    ...gone.flatMap((plan) => [bridgeWithout(plan), inetWithout(plan)]),
    ...come.flatMap((plan) => [bridgeMachine(plan), inetMachine(plan)]),
  ];
  return { rules: rules.join("\n"), anew: come.map(({ machine }) => machine.id), loses: gone.length > 0, whole: false };
}
