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

/**
 * One transaction that brings `next` about, and the machines whose rules it makes anew: what was counted of them and opened for them is gone with it. Without `before`, or where the
 * network itself changed, that is all of them.
 */
export function changeTo(
  next: Applied,
  before: Applied | undefined,
): { readonly rules: string; readonly anew: readonly string[]; readonly whole: boolean } {
  if (!before || baseKey(before.state) !== baseKey(next.state)) return { rules: whole(next), anew: [...next.plans.keys()], whole: true };
  const gone = [...before.plans.values()].filter((plan) => next.plans.get(plan.machine.id)?.key !== plan.key);
  const come = [...next.plans.values()].filter((plan) => before.plans.get(plan.machine.id)?.key !== plan.key);
  const rules = [
    ownAddresses(next.state),
    ...gone.flatMap((plan) => [bridgeWithout(plan), inetWithout(plan)]),
    ...come.flatMap((plan) => [bridgeMachine(plan), inetMachine(plan)]),
  ];
  return { rules: rules.join("\n"), anew: come.map(({ machine }) => machine.id), whole: false };
}
