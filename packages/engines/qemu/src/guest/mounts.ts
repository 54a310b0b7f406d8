import { basename } from "node:path";
import { type AgentSession, getArchive, type MountRequest, mountInGuest, putArchive, readPathStat } from "@isthmus/agent-client";
import { hasCode, MIB } from "@isthmus/contract";
import type { PlannedShare, PlannedVolume, StartPlan } from "@isthmus/core";
import { CONFIGURE_DEADLINE_MS } from "../config.ts";

/** Where a file is mounted from, and a volume until it has what the image holds at its path; of the agent's own, on no disk. */
const ASIDE = "/dev/.isthmus/mounts";

/** Mounts what the plan has beside the disk, in a guest that is in its root and idle. Throws AGENT_REFUSED, AGENT_UNREACHABLE, BAD_ARCHIVE. */
export async function mountAll(session: AgentSession, plan: Pick<StartPlan, "volumes" | "shares" | "tmpfs">): Promise<void> {
  const { volumes, shares, tmpfs } = plan;
  const steps = [
    ...tmpfs.map(({ path, sizeBytes }) => ({
      path,
      mount: () => mount(session, { type: "tmpfs", source: tmpfsOptions(sizeBytes), path }),
    })),
    ...volumes.map((volume, index) => ({ path: volume.path, mount: () => mountVolume(session, volume, `vol${index}`) })),
    ...shares.map((share, index) => ({ path: share.path, mount: () => mountShare(session, share, `share${index}`) })),
  ];
  // A folder comes before what is mounted within it.
  for (const { mount: step } of steps.sort((a, b) => a.path.localeCompare(b.path))) await step();
}

async function mountVolume(session: AgentSession, { path, overlayPath, filled }: PlannedVolume, serial: string): Promise<void> {
  const readOnly = overlayPath !== undefined;
  const fill = filled !== undefined && !readOnly;
  if (fill && (await holdsFolder(session, path))) await fillVolume(session, serial, path);
  else await mount(session, { type: "ext4", source: serial, path, readOnly });
  if (fill) await filled();
}

async function mountShare(session: AgentSession, { path, file, readOnly }: PlannedShare, tag: string): Promise<void> {
  if (file === undefined) return await mount(session, { type: "virtiofs", source: tag, path, readOnly });
  const aside = `${ASIDE}/${tag}`;
  await mount(session, { type: "virtiofs", source: tag, path: aside, readOnly });
  await mount(session, { type: "bind", source: `${aside}/${file}`, path });
}

function tmpfsOptions(sizeBytes: number | undefined): string {
  return sizeBytes === undefined ? "mode=1777" : `mode=1777,size=${Math.ceil(sizeBytes / MIB)}m`;
}

async function mount(session: AgentSession, request: MountRequest): Promise<void> {
  await mountInGuest(session, request, CONFIGURE_DEADLINE_MS);
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
