import type { Engine } from "../machine/ports.ts";

/** Ends the engine processes that an earlier daemon left in the folders of `root`. */
export async function endLeftovers(engines: readonly Engine[], root: string, folder: (name: string) => string): Promise<void> {
  for (const engine of engines) {
    for (const { pid, machineId: name } of await engine.processes(root)) await engine.reap(pid, folder(name));
  }
}
