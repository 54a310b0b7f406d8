import { randomBytes, randomUUID } from "node:crypto";
import type { AgentSession, NetworkRequest } from "@isthmus/agent-client";

/** Who the guest is, as complete as a machine of Isthmus gets it. */
export async function configure(session: AgentSession, network: NetworkRequest | null = null): Promise<void> {
  const now = Date.now();
  await session.request("configure", {
    hostname: "raw",
    machineId: randomBytes(16).toString("hex"),
    bootId: randomUUID(),
    clock: { sec: Math.floor(now / 1000), nsec: (now % 1000) * 1_000_000 },
    entropy: randomBytes(64).toString("hex"),
    network,
  });
}

const surroundings = { env: [], cwd: "/", user: "", tty: false, stdin: false };

export async function startWorkload(session: AgentSession, argv: readonly string[]): Promise<void> {
  await session.request("start", { argv, ...surroundings, unattendedMaxBytes: 1e6 });
}

/** Runs a command in the guest to its end. */
export async function execute(session: AgentSession, argv: readonly string[]): Promise<void> {
  const { stream } = await session.openStream("exec", { argv, ...surroundings });
  stream.stdout.resume();
  stream.stderr.resume();
  await stream.exit;
}
