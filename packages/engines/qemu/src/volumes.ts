import { basename } from "node:path";
import { type AgentSession, getArchive, putArchive, readPathStat } from "@isthmus/agent-client";
import { hasCode } from "@isthmus/contract";
import type { PlannedVolume } from "@isthmus/core";
import { CONFIGURE_DEADLINE_MS } from "./config.ts";

/** Where a volume is mounted until it has what the image holds at its path; of the agent's own, on no disk. */
const ASIDE = "/dev/.isthmus/volumes";

/** Mounts the volumes of a guest that is in its root and idle, in their order. Throws AGENT_REFUSED, AGENT_UNREACHABLE, BAD_ARCHIVE. */
export async function mountVolumes(session: AgentSession, volumes: readonly PlannedVolume[]): Promise<void> {
  // A folder comes before what is mounted within it.
  const ordered = volumes.map((volume, index) => ({ ...volume, serial: `vol${index}` })).sort((a, b) => a.path.localeCompare(b.path));
  for (const { path, serial, overlayPath, filled } of ordered) {
    const readOnly = overlayPath !== undefined;
    const fill = filled !== undefined && !readOnly;
    if (fill && (await holdsFolder(session, path))) await fillVolume(session, serial, path);
    else await mount(session, { type: "ext4", source: serial, path, readOnly });
    if (fill) await filled();
  }
}

async function mount(
  session: AgentSession,
  request: { readonly type: string; readonly source: string; readonly path: string; readonly readOnly?: boolean },
) {
  await session.request("mount", request, { deadlineMs: CONFIGURE_DEADLINE_MS });
}

async function holdsFolder(session: AgentSession, path: string): Promise<boolean> {
  try {
    return readPathStat(await session.request("stat", { path }, { path })).type === "directory";
  } catch (error) {
    if (hasCode(error, "PATH_NOT_FOUND")) return false;
    throw error;
  }
}

/** Copies the folder of the image, its owner and mode too, and then puts the volume in its place. */
async function fillVolume(session: AgentSession, serial: string, path: string): Promise<void> {
  const aside = `${ASIDE}/${serial}`;
  const place = `${aside}/${basename(path)}`;
  await mount(session, { type: "ext4", source: serial, path: place });
  await putArchive(session, aside, await getArchive(session, path));
  await mount(session, { type: "move", source: place, path });
}
