import { text } from "node:stream/consumers";
import { IsthmusError } from "@isthmus/contract";
import { parseControl } from "./control.ts";
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
  return readStats(parseControl(Buffer.from(await runTask(session, "stats", {}, deadlineMs)), "the guest's figures"));
}

/** A request that a process of the guest carries out; what it prints. */
async function runTask(session: AgentSession, op: string, fields: object, deadlineMs: number): Promise<string> {
  const { stream } = await session.openStream(op, fields, { transfer: true, deadlineMs });
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new IsthmusError("TIMEOUT", { what: `${op} in the guest`, limit: deadlineMs })), deadlineMs);
  try {
    stream.stderr.destroy();
    const said = text(stream.stdout);
    // A failure rejects both; the exit says what failed.
    said.catch(() => undefined);
    await Promise.race([stream.exit, late]);
    return await said;
  } finally {
    clearTimeout(timer);
    stream.discard();
  }
}
