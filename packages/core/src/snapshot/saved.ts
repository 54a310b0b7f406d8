import type { Accelerator } from "@isthmus/contract";

/** Where and how a guest is saved. */
export interface CapturePlan {
  /** exists and is empty */
  readonly folder: string;
  /** true: the guest goes on, and its disk is saved with it; false: it stands still afterwards, until `unpause` or its end */
  readonly goOn: boolean;
}

/** All that must match the host on which a saved guest goes on, by name. */
export type SavedParts = Readonly<Record<string, string | number>>;

export interface CaptureFacts {
  readonly parts: SavedParts;
  readonly accelerator: Accelerator;
  /** on disk */
  readonly sizeBytes: number;
  /** for how long the guest's processes stood still; of a guest that does not go on, until all was saved. ms */
  readonly pausedMs: number;
}

/** A saved guest that is to go on. */
export interface SavedGuest {
  readonly folder: string;
  readonly parts: SavedParts;
  /** true: a clone, which is given an identity of its own before its processes go on; false: the machine that it was */
  readonly newIdentity: boolean;
  /** Called just before its ports are published. */
  readonly beforePorts?: () => Promise<void>;
  /** Called when all is ready, just before the guest goes on. */
  readonly before?: () => Promise<void>;
}
