import type { Accelerator, MachineSpec } from "@isthmus/contract";
import type { Nic } from "../network/ports.ts";

/** What a guest is booted with, and nothing of who it will be: machines of one shape can be cloned from one template. */
export interface GuestShape {
  readonly rootfsPath: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** of the writable disk; absent for a read-only root */
  readonly diskBytes?: number;
  /** the machine has written to its disk before: no guest may have mounted that yet */
  readonly keptDisk?: true;
  readonly network: "none" | "user" | "bridge";
  /** places for volumes; absent when there are none */
  readonly volumePlaces?: number;
}

/** The shape of a machine whose spec has every default decided. */
export function shapeOfSpec(spec: MachineSpec, rootfsPath: string): GuestShape {
  const { cpus = 1, memoryBytes = 0, diskBytes = 0, network = "none", readOnly } = spec;
  return { rootfsPath, cpus, memoryBytes, network, ...(readOnly === true ? {} : { diskBytes }) };
}

/** A shape on this host, with all that must match between a template and its clones. */
export interface TemplateShape {
  /** SHA-256 of `parts`, hex */
  readonly key: string;
  readonly accelerator: Accelerator;
  readonly parts: Readonly<Record<string, string | number>>;
}

export interface TemplateFacts {
  /** on disk */
  readonly sizeBytes: number;
}

/** Where a clone is prepared: the folders become a machine's by being moved. */
export interface PreparedPlace {
  readonly folder: string;
  readonly socketFolder: string;
  readonly diskPath?: string;
  readonly outputPath: string;
}

/** Where a clone is forked: folders that are a machine's already may know its network. */
export interface ClonePlace extends PreparedPlace {
  readonly name?: string;
  readonly nic?: Nic;
}

/** Where a template is made. */
export interface Making {
  readonly folder: string;
  /** short enough for Unix sockets */
  readonly socketFolder: string;
  /** an empty disk, for the guest to write to; its clones get copies. Absent when there is none, or machines bring their own */
  readonly diskPath?: string;
}
