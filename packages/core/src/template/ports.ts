import type { Template } from "@isthmus/contract";
import type { Making, PreparedPlace } from "./shape.ts";

/** Where clones are prepared. */
export interface PreparedPlaces {
  readonly root: string;
  folder(id: string): string;
  /** A new place. Of a disk the file is a copy, or made by who uses the place; none when absent. Throws DISK_FULL. */
  create(disk: { readonly copyOf?: string } | undefined): Promise<PreparedPlace & { readonly id: string }>;
  /** The folders become those of a machine that has none yet. */
  give(id: string, machineId: string): Promise<void>;
  remove(id: string): Promise<void>;
  list(): Promise<readonly string[]>;
}

/** The folders of templates. A template appears in them whole or not at all. */
export interface TemplateFolders {
  readonly root: string;
  folder(key: string): string;
  /** The disk that the template's guest had mounted, if its machines do not bring theirs. */
  diskPath(key: string): string;
  /** What there is; what an earlier daemon left half-made is removed. */
  load(): Promise<readonly Template[]>;
  /** New, empty folders to make a template in, and an empty disk of this size. Throws DISK_FULL. */
  begin(diskBytes: number | undefined): Promise<Making>;
  /** The folder that `begin` gave becomes the template's. */
  commit(making: Making, template: Template): Promise<void>;
  discard(making: Making): Promise<void>;
  /** Writes down what has changed about it. */
  update(template: Template): Promise<void>;
  /** A no-op when it is gone. Clones that run keep what they have mapped. */
  remove(key: string): Promise<void>;
}
