import { buffer } from "node:stream/consumers";
import { type FileChange, IsthmusError, type MachineProcess } from "@isthmus/contract";
import { parseControl } from "./control.ts";
import { readChanges, readProcesses } from "./looks.ts";
import { type AgentStats, readStats } from "./requests.ts";
import type { AgentSession } from "./session.ts";

/** What is mounted in the guest beside its disk: docs/guest-protocol.md, `mount`. */
export interface MountRequest {
  readonly type: "ext4" | "virtiofs" | "tmpfs" | "bind" | "move";
  /** serial number, tag, mount options, file or folder */
  readonly source: string;
  readonly path: string;
  readonly readOnly?: boolean;
}

/** Mounts in a guest that is in its root. Throws AGENT_REFUSED, AGENT_UNREACHABLE, TIMEOUT. */
export async function mountInGuest(session: AgentSession, mount: MountRequest, deadlineMs: number): Promise<void> {
  await runTask(session, "mount", mount, deadlineMs);
}

/** What the guest knows of its own use. Throws AGENT_REFUSED, AGENT_UNREACHABLE, AGENT_PROTOCOL, TIMEOUT. */
export async function statsOfGuest(session: AgentSession, deadlineMs: number): Promise<AgentStats> {
  return readStats(parseControl(await runTask(session, "stats", {}, deadlineMs), "the guest's figures"));
}

/** The guest's processes, but the agent. Throws AGENT_REFUSED, AGENT_UNREACHABLE, AGENT_PROTOCOL, TIMEOUT. */
export async function processesOfGuest(session: AgentSession, deadlineMs: number): Promise<readonly MachineProcess[]> {
  return readProcesses(await runTask(session, "processes", {}, deadlineMs));
}

/** What the guest's disk says that its image does not. Throws AGENT_REFUSED, AGENT_UNREACHABLE, AGENT_PROTOCOL, TIMEOUT. */
export async function changesOfGuest(session: AgentSession, deadlineMs: number): Promise<readonly FileChange[]> {
  return readChanges(await runTask(session, "changes", {}, deadlineMs));
}

/** A request that a process of the guest carries out; what it prints. */
async function runTask(session: AgentSession, op: string, fields: object, deadlineMs: number): Promise<Buffer> {
  const { stream } = await session.openStream(op, fields, { transfer: true, deadlineMs });
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new IsthmusError("TIMEOUT", { what: `${op} in the guest`, limit: deadlineMs })), deadlineMs);
  try {
    stream.stderr.destroy();
    const said = buffer(stream.stdout);
    // A failure rejects both; the exit says what failed.
    said.catch(() => undefined);
    await Promise.race([stream.exit, late]);
    return await said;
  } finally {
    clearTimeout(timer);
    stream.discard();
  }
}
