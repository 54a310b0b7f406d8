import { type MachineState, machineStates } from "@isthmus/contract";
import { invalid } from "./invalid.ts";

export interface MachineFilters {
  readonly states?: readonly MachineState[];
  readonly labels?: readonly string[];
  readonly name?: string;
}

function isState(text: string): text is MachineState {
  const known: readonly string[] = machineStates;
  return known.includes(text);
}

/** `--filter state=running`, `label=k`, `label=k=v`, `name=web`. docker's `status` means `state`. */
export function machineFilters(entries: readonly string[]): MachineFilters {
  const states: MachineState[] = [];
  const labels: string[] = [];
  let name: string | undefined;
  for (const entry of entries) {
    const cut = entry.indexOf("=");
    const key = cut === -1 ? entry : entry.slice(0, cut);
    const value = cut === -1 ? "" : entry.slice(cut + 1);
    if (value === "") throw invalid("--filter", entry, "write state=STATE, label=KEY[=VALUE] or name=NAME");
    if (key === "state" || key === "status") {
      if (!isState(value)) throw invalid("--filter", entry, `states are ${machineStates.join(", ")}`);
      states.push(value);
    } else if (key === "label") labels.push(value);
    else if (key === "name") name = value;
    else throw invalid("--filter", entry, "filters are state, label and name");
  }
  return { states: states.length > 0 ? states : undefined, labels: labels.length > 0 ? labels : undefined, name };
}
