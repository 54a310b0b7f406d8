import { execFile } from "node:child_process";
import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type GatewayState, IsthmusError } from "@isthmus/contract";
import { STAND_IN_V4, STAND_IN_V6 } from "./config.ts";

const run = promisify(execFile);
/** where `ip netns` keeps its namespaces (ip-netns(8)) */
const NAMESPACES = "/run/netns";

async function set(name: string, value: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/net/${name}`, value);
  } catch (cause) {
    throw new IsthmusError(
      "HOST_COMMAND_FAILED",
      { program: "gateway", reason: `net.${name.replaceAll("/", ".")} cannot be set to ${value}` },
      { cause },
    );
  }
}

/** Throws HOST_COMMAND_FAILED when this process is in none of the namespaces that `ip netns` made, so in the host's own: the gateway's rules would be the whole host's. */
export async function mustBeApart(): Promise<void> {
  const own = await stat("/proc/self/ns/net");
  const names = await readdir(NAMESPACES).catch((): string[] => []);
  for (const name of names) {
    const one = await stat(join(NAMESPACES, name)).catch(() => undefined);
    if (one?.ino === own.ino && one.dev === own.dev) return;
  }
  throw new IsthmusError("HOST_COMMAND_FAILED", {
    program: "gateway",
    reason: "it is to be started in a network namespace of its own (ip netns exec)",
  });
}

async function ip(...args: string[]): Promise<void> {
  try {
    await run("ip", args);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim().replaceAll("\n", "; ") : String(cause);
    throw new IsthmusError("HOST_COMMAND_FAILED", { program: "ip", reason }, { cause });
  }
}

/** Lets the namespace pass packets on, and nothing redirect it; addresses that stand for servers are this host's own. Throws HOST_COMMAND_FAILED. */
export async function settle({ bridge, uplink, gateway }: GatewayState): Promise<void> {
  await ip("link", "set", "lo", "up");
  await ip("route", "replace", "local", STAND_IN_V4.prefix, "dev", "lo");
  await ip("-6", "route", "replace", "local", STAND_IN_V6.prefix, "dev", "lo");
  for (const device of [bridge, ...(uplink === undefined ? [] : [uplink])]) {
    await set(`ipv4/conf/${device}/accept_redirects`, "0");
    await set(`ipv4/conf/${device}/send_redirects`, "0");
    await set(`ipv4/conf/${device}/accept_source_route`, "0");
    await set(`ipv4/conf/${device}/route_localnet`, "0");
    await set(`ipv6/conf/${device}/accept_redirects`, "0");
    await set(`ipv6/conf/${device}/accept_ra`, "0");
  }
  await passOn(true, gateway.v6 !== undefined);
}

/** Whether packets are passed on between the network and the outside. Throws HOST_COMMAND_FAILED. */
export async function passOn(yes: boolean, v6: boolean): Promise<void> {
  await set("ipv4/conf/all/forwarding", yes ? "1" : "0");
  await set("ipv6/conf/all/forwarding", yes && v6 ? "1" : "0");
}
