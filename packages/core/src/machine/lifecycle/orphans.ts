import { hasCode, isSettled } from "@isthmus/contract";
import type { Context } from "../context.ts";
import type { MachineRecord } from "../ports.ts";

/**
 * Ends engine processes and removes folders that belong to no machine. A process whose machine is settled goes too: its record says that it has ended. What
 * belongs to a machine that may still live is never touched.
 */
export async function removeOrphans(context: Context): Promise<{ readonly orphansReaped: number; readonly foldersRemoved: number }> {
  const kept = new Set<string>();
  let orphansReaped = 0;
  for (const engine of context.engines) {
    for (const { pid, machineId } of await engine.processes(context.folders.root)) {
      const record = recordOf(context, machineId);
      if (record && !isSettled(record.machine.state)) continue;
      try {
        await engine.reap(pid, context.folders.folder(machineId));
        orphansReaped += 1;
        context.log.warn({ machine: machineId, pid }, "ended an engine process without a machine");
      } catch (error) {
        kept.add(machineId);
        context.log.error({ machine: machineId, pid, err: error }, "could not end an engine process without a machine");
      }
    }
  }
  return { orphansReaped, foldersRemoved: await removeFolders(context, kept) };
}

async function removeFolders(context: Context, kept: ReadonlySet<string>): Promise<number> {
  let removed = 0;
  for (const id of await context.folders.list()) {
    if (kept.has(id) || recordOf(context, id)) continue;
    try {
      await context.folders.remove(id);
      removed += 1;
      context.log.warn({ machine: id }, "removed a folder without a machine");
    } catch (error) {
      context.log.error({ machine: id, err: error }, "could not remove a folder without a machine");
    }
  }
  return removed;
}

function recordOf(context: Context, id: string): MachineRecord | undefined {
  try {
    const record = context.store.machine(id);
    return record.machine.id === id ? record : undefined;
  } catch (error) {
    if (hasCode(error, "MACHINE_NOT_FOUND", "MACHINE_AMBIGUOUS")) return undefined;
    throw error;
  }
}
