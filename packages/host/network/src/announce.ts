import type { GatewayMachine } from "@isthmus/contract";
import { run } from "./commands.ts";
import { BRIDGE, NAMESPACES } from "./config.ts";

/** Beside the guest agent (`guest/agent/host/announce.c`). */
export const ANNOUNCER = "isthmus-announce";

/**
 * Tells the machines of a network whose addresses these are from now on: another machine may have had them a moment ago, and be remembered by them. Throws
 * HOST_COMMAND_FAILED.
 */
export async function announce(program: string, namespace: string, machines: readonly GatewayMachine[]): Promise<void> {
  const words = machines.flatMap(({ mac, v4, v6 }) => [mac, v4, ...(v6 === undefined ? [] : [mac, v6])]);
  if (words.length > 0) await run("nsenter", [`--net=${NAMESPACES}/${namespace}`, program, BRIDGE, ...words]);
}
