import type { HostFacts } from "@isthmus/contract";
import type { Licences } from "../../licence/licences.ts";
import type { MachinesParts } from "../machines-parts.ts";
import { Admitting, type AdmittingParts } from "./admitting.ts";
import type { Leases } from "./leases.ts";

/** Admission over the store of these machines. */
export function admittingOf(
  parts: MachinesParts,
  leases: Leases,
  licences: Licences,
  rest: Pick<AdmittingParts, "grant" | "volumeBytes">,
): Admitting {
  const { store, clock, gauge, admission = {}, measuredBytes = () => undefined } = parts;
  const facts = gauge ? () => gauge.facts() : () => factsOf(parts);
  return new Admitting({ store, leases, licences, clock, facts, settings: admission, measuredBytes, ...rest });
}

/** What is known of a host without a gauge. */
function factsOf({ capacity }: MachinesParts): HostFacts {
  return {
    cpus: capacity.cpus(),
    memoryTotalBytes: capacity.memoryTotalBytes(),
    memoryAvailableBytes: capacity.memoryFreeBytes(),
    diskFreeBytes: Number.MAX_SAFE_INTEGER,
    processesLeft: Number.MAX_SAFE_INTEGER,
    descriptorsLeft: Number.MAX_SAFE_INTEGER,
  };
}
