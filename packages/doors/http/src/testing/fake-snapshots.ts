import { randomBytes } from "node:crypto";
import { IsthmusError, type Machine, type Snapshot } from "@isthmus/contract";
import type { SnapshotActions } from "@isthmus/core";

/** Snapshots in memory. */
export class FakeSnapshots implements SnapshotActions {
  readonly entries: Snapshot[] = [];
  /** signals given to `create`, to see them aborted */
  readonly signals: AbortSignal[] = [];
  readonly #machine: (ref: string) => Machine;

  /** `machine` gives a machine that runs, and throws otherwise. */
  constructor(machine: (ref: string) => Machine) {
    this.#machine = machine;
  }

  async create(ref: string, options: { readonly name?: string; readonly signal?: AbortSignal } = {}): Promise<Snapshot> {
    if (options.signal) this.signals.push(options.signal);
    const machine = this.#machine(ref);
    const id = randomBytes(8).toString("hex");
    const { name = `fake-${id}` } = options;
    if (this.entries.some((entry) => entry.name === name)) throw new IsthmusError("SNAPSHOT_NAME_TAKEN", { name });
    const snapshot: Snapshot = {
      id,
      name,
      machineId: machine.id,
      machineName: machine.name,
      imageDigest: machine.imageDigest,
      spec: machine.spec,
      engine: "fake 1",
      accelerator: "tcg",
      sizeBytes: 1,
      pausedMs: 1.5,
      createdAt: new Date().toISOString(),
    };
    this.entries.unshift(snapshot);
    return snapshot;
  }

  async list(): Promise<readonly Snapshot[]> {
    return this.entries;
  }

  async get(ref: string): Promise<Snapshot> {
    const found = this.entries.find(({ id, name }) => name === ref || id === ref || (ref.length >= 4 && id.startsWith(ref)));
    if (found === undefined) throw new IsthmusError("SNAPSHOT_NOT_FOUND", { ref });
    return found;
  }

  async remove(ref: string): Promise<Snapshot> {
    const found = await this.get(ref);
    this.entries.splice(this.entries.indexOf(found), 1);
    return found;
  }
}
