import type { AgentSession } from "@isthmus/agent-client";
import { CONFIGURE_DEADLINE_MS } from "../config.ts";
import { execInGuest } from "../guest-stream.ts";

/** A program that no image has: the guest goes all the way to running it. */
const NO_PROGRAM = "/.isthmus/rehearsal";

/** Lets a guest without identity do what its start will ask for: its root, its disk, the making of a process. Throws what the guest refuses. */
export async function rehearse(session: AgentSession): Promise<void> {
  await session.request("configure", {}, { deadlineMs: CONFIGURE_DEADLINE_MS });
  const request = { argv: [NO_PROGRAM], env: [], cwd: "/", user: "", tty: false, stdin: false };
  const stream = await execInGuest(session, request);
  stream.stdout.resume();
  stream.stderr.resume();
  await stream.exit;
}
