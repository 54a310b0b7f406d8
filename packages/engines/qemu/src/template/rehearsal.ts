import type { AgentSession } from "@isthmus/agent-client";
import { IsthmusError } from "@isthmus/contract";
import { defaultHostname, type GuestShape, type NicPlace } from "@isthmus/core";
import { CONFIGURE_DEADLINE_MS, NOBODY, REHEARSAL_DEADLINE_MS } from "../config.ts";
import { configuration } from "../guest/guest-setup.ts";
import { execInGuest } from "../guest/guest-stream.ts";

/** What nearly every workload needs first, the image's loader, library and shell, without anything that it does. */
const NO_WORK = ["sh", "-c", ":"];

/**
 * Lets a guest do all that its start will ask for: its root, its disk, an identity that is nobody's, a process, and `place` on its network if it is given one.
 * Then its kernel has in memory what that needs, and the emulator has translated it. Throws what the guest refuses, and TIMEOUT.
 */
export async function rehearse(session: AgentSession, network: GuestShape["network"], place?: NicPlace): Promise<void> {
  const nic = place && { namespace: "", tap: "", place };
  const identity = configuration({ id: NOBODY, hostname: defaultHostname(NOBODY), network, nic }, Date.now());
  await session.request("configure", identity, { deadlineMs: CONFIGURE_DEADLINE_MS });
  const stream = await execInGuest(session, { argv: NO_WORK, env: [], cwd: "/", user: "", tty: false, stdin: false });
  stream.stdout.resume();
  stream.stderr.resume();
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () => reject(new IsthmusError("TIMEOUT", { what: "the end of the image's shell", limit: REHEARSAL_DEADLINE_MS }));
  const timer = setTimeout(late, REHEARSAL_DEADLINE_MS);
  try {
    await Promise.race([stream.exit, promise]);
  } finally {
    clearTimeout(timer);
  }
}
