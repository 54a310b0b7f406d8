import { IsthmusError, type PublishedPort } from "@isthmus/contract";
import type { StartPlan } from "@isthmus/core";
import { GUEST_ADDRESS } from "../config.ts";
import { choosePorts } from "./host-ports.ts";
import type { Monitor } from "./monitor.ts";

/** The ports that QEMU publishes: those of a machine on a real network are not its. */
export function portsOf({ network, ports }: Pick<StartPlan, "network" | "ports">): readonly PublishedPort[] {
  return network === "user" ? ports : [];
}

/** Publishes ports of a guest that runs already. Throws PORT_TAKEN. */
export async function publish(monitor: Monitor, wanted: readonly PublishedPort[]): Promise<readonly PublishedPort[]> {
  const ports = await choosePorts(wanted);
  for (const { protocol, address, host, guest } of ports) {
    const words = await monitor.humanCommand(`hostfwd_add net ${protocol}:${address}:${host}-${GUEST_ADDRESS}:${guest}`);
    if (words !== "") throw new IsthmusError("PORT_TAKEN", { port: host, address, reason: words });
  }
  return ports;
}
