import { IsthmusError } from "@isthmus/contract";
import type { Context } from "../machine/context.ts";
import type { Saving } from "../machine/ports.ts";
import type { SnapshotRecord } from "./ports.ts";
import type { SavedParts } from "./saved.ts";

/** Why a guest with these parts cannot go on here; undefined when it can. */
export async function refusalOf(context: Context, parts: SavedParts): Promise<string | undefined> {
  return await savingOf(context).refusal(parts);
}

/** Throws ISOLATION_UNAVAILABLE when no engine here saves guests. */
export function savingOf(context: Context): Saving {
  const saving = context.engines.find((engine) => engine.saving !== undefined)?.saving;
  if (saving === undefined) throw new IsthmusError("ISOLATION_UNAVAILABLE", { isolation: "microvm" });
  return saving;
}

/** Throws SNAPSHOT_UNUSABLE with the reason. */
export async function checkUsable(context: Context, { snapshot, facts }: SnapshotRecord): Promise<void> {
  const reason = await refusalOf(context, facts.parts);
  if (reason !== undefined) throw new IsthmusError("SNAPSHOT_UNUSABLE", { name: snapshot.name, reason });
}
