import { defaults, type Quota } from "@isthmus/contract";
import { Ledger } from "../../admission/ledger.ts";
import type { Held } from "../../admission/request.ts";
import type { MachineCount } from "../../host/ports.ts";
import type { MachineRecord, Store } from "../ports.ts";

/** A machine's size, by its record. */
export function heldBy({ machine, boot }: MachineRecord): Held {
  const { spec } = machine;
  return {
    id: machine.id,
    tenant: spec.tenant ?? defaults.tenant,
    imageDigest: machine.imageDigest,
    isolation: machine.isolation,
    cpus: spec.cpus ?? defaults.cpus,
    memoryBytes: spec.memoryBytes ?? defaults.memoryBytes,
    diskBytes: spec.readOnly === true ? 0 : (spec.diskBytes ?? defaults.diskBytes),
    ports: spec.ports?.length ?? 0,
    seats: boot.lease?.seats ?? [],
  };
}

/** True of a machine that has a process, or was granted to get one: that holds more of its host than a place on its disk. */
export function isHeld({ machine, boot }: MachineRecord): boolean {
  const { state } = machine;
  if (state === "queued") return boot.lease !== undefined;
  return state === "starting" || state === "running" || state === "paused" || state === "stopping";
}

/**
 * The machines that hold something of this host, as their records say: read once, then looked at again with each record that is committed, so that
 * ten thousand records are not read for each start.
 */
export class Leases {
  readonly #held = new Map<string, Held>();
  readonly #queued = new Map<string, string>();
  readonly #kinds = new Map<string, Omit<MachineCount, "count">>();

  constructor(store: Pick<Store, "allMachines">) {
    for (const record of store.allMachines()) this.note(record);
  }

  /** A record was committed. */
  note(record: MachineRecord): void {
    const { id, state, spec } = record.machine;
    this.#kinds.set(id, { state, isolation: record.machine.isolation, tenant: spec.tenant ?? defaults.tenant });
    if (isHeld(record)) this.#held.set(id, heldBy(record));
    else this.#held.delete(id);
    if (state === "queued" && record.boot.lease === undefined) this.#queued.set(id, spec.tenant ?? defaults.tenant);
    else this.#queued.delete(id);
  }

  removed(id: string): void {
    this.#held.delete(id);
    this.#queued.delete(id);
    this.#kinds.delete(id);
  }

  /** How many machines there are of each kind, settled ones too. */
  census(): readonly MachineCount[] {
    const counts = new Map<string, { -readonly [key in keyof MachineCount]: MachineCount[key] }>();
    for (const kind of this.#kinds.values()) {
      const key = `${kind.state} ${kind.isolation} ${kind.tenant}`;
      const known = counts.get(key);
      if (known) known.count += 1;
      else counts.set(key, { ...kind, count: 1 });
    }
    return [...counts.values()];
  }

  held(): Iterable<Held> {
    return this.#held.values();
  }

  /** What each tenant has now. `held`: the same machines, with what was measured of them. */
  use(held: Iterable<Held>): (tenant: string) => Quota["used"] {
    const ledger = new Ledger(held);
    const waiting = new Map<string, number>();
    for (const tenant of this.#queued.values()) waiting.set(tenant, (waiting.get(tenant) ?? 0) + 1);
    return (tenant) => ({ ...ledger.tenant(tenant), queued: waiting.get(tenant) ?? 0 });
  }

  /** Tenants that hold something, or wait. */
  tenants(): Set<string> {
    return new Set([...this.#queued.values(), ...Array.from(this.#held.values(), ({ tenant }) => tenant)]);
  }
}
