import type { Snapshot } from "@isthmus/contract";
import { cloneAt, MachineHandle, type RunningMachine } from "./machine.ts";
import type { CallOptions, CloneOptions, SnapshotOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** The snapshots of a host. Methods that take `ref` want an id, a name, or a prefix of an id of 4 characters or more, and throw SNAPSHOT_NOT_FOUND. */
export class Snapshots {
  readonly #transport: Transport;

  /** Use `isthmus.snapshots`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Memory, devices and disk of a running machine (its id, name, or a prefix of its id), which goes on; as `MachineHandle.snapshot`. */
  create(machine: string, options: SnapshotOptions = {}): Promise<Snapshot> {
    return new MachineHandle(this.#transport, machine).snapshot(options);
  }

  /** All snapshots, newest first. */
  async list(options: CallOptions = {}): Promise<readonly Snapshot[]> {
    const { signal } = options;
    const { snapshots } = await this.#transport.json<{ snapshots: readonly Snapshot[] }>({ method: "GET", path: "/snapshots", signal });
    return snapshots;
  }

  /** The snapshot's record. */
  get(ref: string, options: CallOptions = {}): Promise<Snapshot> {
    return this.#transport.json({ method: "GET", path: pathOf(ref), signal: options.signal });
  }

  /** Removes it; machines that were cloned from it go on. Returns what it removed. */
  remove(ref: string, options: CallOptions = {}): Promise<Snapshot> {
    return this.#transport.json({ method: "DELETE", path: pathOf(ref), signal: options.signal });
  }

  /**
   * Machines that go on from the moment of the snapshot; resolves when all of them run, and when one fails there are none.
   * Throws SNAPSHOT_UNUSABLE, NAME_TAKEN, PORT_TAKEN, NO_CAPACITY.
   */
  clone(ref: string, options: CloneOptions = {}): Promise<readonly RunningMachine[]> {
    return cloneAt(this.#transport, `${pathOf(ref)}/clone`, options);
  }
}

function pathOf(ref: string): string {
  return `/snapshots/${encodeURIComponent(ref)}`;
}
