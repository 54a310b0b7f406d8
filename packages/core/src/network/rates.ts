import { type NetworkRates, networkRates, type Resources } from "@isthmus/contract";
import type { MachineRecord } from "../machine/ports.ts";
import { tapOf } from "./attach.ts";
import type { TapRates } from "./ports.ts";

/** Of a machine's limits, those on its network. */
export function ratesOf(resources: Resources = {}): NetworkRates {
  return Object.fromEntries(networkRates.flatMap((name) => (resources[name] === undefined ? [] : [[name, resources[name]]])));
}

/** Of a machine that is limited, one. */
export function tapRates({ machine: { id, spec } }: MachineRecord): TapRates[] {
  const rates = ratesOf(spec.resources);
  return Object.keys(rates).length === 0 ? [] : [{ tap: tapOf(id), rates }];
}
