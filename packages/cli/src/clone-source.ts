import { hasCode, IsthmusError, type Machine, type Snapshot } from "@isthmus/contract";
import type { CloneOptions, Isthmus, RunningMachine } from "@isthmus/sdk";
import { invalid } from "./parse/invalid.ts";

/** Makes the clones of what was found. */
export type CloneWork = (options: CloneOptions) => Promise<readonly RunningMachine[]>;

export interface SourceName {
  /** absent when either may be meant */
  readonly kind?: "machine" | "snapshot";
  readonly ref: string;
}

/** `machine:REF`, `snapshot:REF`, or the name or id of either. Throws INVALID_REQUEST. */
export function sourceName(text: string): SourceName {
  const [, kind, ref = text] = /^(machine|snapshot):(.*)$/.exec(text) ?? [];
  if (ref === "") throw invalid("snapshot|machine", text, "write a name or an id");
  return kind === "machine" || kind === "snapshot" ? { kind, ref } : { ref };
}

/** What is called so; a whole name or id goes before the beginning of another id. Throws SOURCE_NOT_FOUND, SOURCE_AMBIGUOUS, MACHINE_AMBIGUOUS. */
export async function cloneSource({ machines, snapshots }: Isthmus, { kind, ref }: SourceName): Promise<CloneWork> {
  if (kind === "machine") return (options) => machines.clone(ref, options);
  if (kind === "snapshot") return (options) => snapshots.clone(ref, options);
  const [machine, snapshot] = await Promise.all([lookUp(machines.get(ref)), lookUp(snapshots.get(ref))]);
  const isWhole = (found: Machine | Snapshot | IsthmusError) =>
    !(found instanceof IsthmusError) && (found.name === ref || found.id === ref);
  const whole = isWhole(machine) || isWhole(snapshot);
  const byMachine = whole ? isWhole(machine) : !hasCode(machine, "MACHINE_NOT_FOUND");
  const bySnapshot = whole ? isWhole(snapshot) : !hasCode(snapshot, "SNAPSHOT_NOT_FOUND");
  if (byMachine && bySnapshot) throw new IsthmusError("SOURCE_AMBIGUOUS", { ref });
  if (byMachine) return (options) => machines.clone(idOf(machine), options);
  if (bySnapshot) return (options) => snapshots.clone(idOf(snapshot), options);
  throw new IsthmusError("SOURCE_NOT_FOUND", { ref });
}

/** The record, or the error that says that there is none or that there are several. */
function lookUp<T>(asking: Promise<T>): Promise<T | IsthmusError> {
  return asking.catch((error: unknown) => {
    if (hasCode(error, "MACHINE_NOT_FOUND", "MACHINE_AMBIGUOUS", "SNAPSHOT_NOT_FOUND")) return error;
    throw error;
  });
}

/** Throws the error when that was found. */
function idOf(found: Machine | Snapshot | IsthmusError): string {
  if (found instanceof IsthmusError) throw found;
  return found.id;
}
