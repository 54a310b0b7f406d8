import { join } from "node:path";

/** What a template's folder holds: the guest's memory as a sparse file, and the state of its devices. Neither is written again once a clone was made. */
export function memoryPath(folder: string): string {
  return join(folder, "memory");
}

export function statePath(folder: string): string {
  return join(folder, "state");
}
