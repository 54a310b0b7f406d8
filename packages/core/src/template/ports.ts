import type { Accelerator, Template } from "@isthmus/contract";
import type { LiveMachine, StartPlan } from "../machine/ports.ts";

/** What a guest is booted with, and nothing of who it will be: machines of one shape can be cloned from one template. */
export interface GuestShape {
  readonly rootfsPath: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** of the writable disk; absent for a read-only root */
  readonly diskBytes?: number;
  readonly network: "none" | "user";
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

/** A clone that has its template's state and waits for an identity. */
export interface PreparedClone {
  /** Settles when its process is gone; never rejects. */
  readonly ended: Promise<unknown>;
  /** Gives it the identity and workload of `plan`, whose folders are the ones it was prepared in, moved. Throws like `Engine.start`; nothing is left then. */
  start(plan: StartPlan, signal: AbortSignal): Promise<LiveMachine>;
  /** Ends it. */
  end(): Promise<void>;
}

/** Where a clone is prepared: the folders become a machine's by being moved. */
export interface PreparedPlace {
  readonly folder: string;
  readonly socketFolder: string;
  readonly diskPath?: string;
  readonly outputPath: string;
}

/** What an engine that can clone offers. */
export interface Cloning {
  /** Throws what `start` throws when it does not know what to boot with. */
  shape(shape: GuestShape): Promise<TemplateShape>;
  /** Boots a guest of this shape and saves it in `folder`, which exists and is empty. Throws TEMPLATE_FAILED, DISK_FULL, CANCELLED. */
  make(shape: GuestShape, folder: string, signal: AbortSignal): Promise<TemplateFacts>;
  /** A process with the state of the template in `template`, waiting. Throws TEMPLATE_FAILED, CANCELLED. */
  prepare(shape: GuestShape, template: string, place: PreparedPlace, signal: AbortSignal): Promise<PreparedClone>;
}

/** Where clones are prepared. */
export interface PreparedPlaces {
  readonly root: string;
  folder(id: string): string;
  /** A new place, with a disk of this size if one is wanted. Throws DISK_FULL. */
  create(diskBytes: number | undefined): Promise<PreparedPlace & { readonly id: string }>;
  /** The folders become those of a machine that has none yet. */
  give(id: string, machineId: string): Promise<void>;
  remove(id: string): Promise<void>;
  list(): Promise<readonly string[]>;
}

/** The folders of templates. A template appears in them whole or not at all. */
export interface TemplateFolders {
  folder(key: string): string;
  /** What there is; what an earlier daemon left half-made is removed. */
  load(): Promise<readonly Template[]>;
  /** A new, empty folder to make a template in. Throws DISK_FULL. */
  begin(): Promise<string>;
  /** The folder that `begin` gave becomes the template's. */
  commit(making: string, template: Template): Promise<void>;
  discard(making: string): Promise<void>;
  /** Writes down what has changed about it. */
  update(template: Template): Promise<void>;
  /** A no-op when it is gone. Clones that run keep what they have mapped. */
  remove(key: string): Promise<void>;
}
