import { readFileSync } from "node:fs";
import { run } from "./commands.ts";

/** Of a network's devices, the queueing disciplines by name, as the kernel has them. */
export type Links = ReadonlyMap<string, string>;

/** Devices of a namespace, each with its queueing discipline. */
export async function links(namespace: string): Promise<Links> {
  const words = await run("ip", ["-n", namespace, "-o", "link", "show"]);
  return new Map(
    words.split("\n").flatMap((line) => {
      const [, name, discipline = ""] = /^\d+: ([^:@]+).*? qdisc (\S+)/.exec(line) ?? [];
      return name === undefined ? [] : [[name, discipline] as const];
    }),
  );
}

/** Names of the devices that process `pid` sees, in its namespace (proc(5), /proc/pid/net/dev); none when it is gone. */
export function devicesOf(pid: number): readonly string[] {
  try {
    return [...readFileSync(`/proc/${pid}/net/dev`, "utf8").matchAll(/^ *([^:|\s]+):/gm)].map(([, name = ""]) => name);
  } catch {
    return [];
  }
}
