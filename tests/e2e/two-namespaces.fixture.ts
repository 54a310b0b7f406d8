import { execFileSync } from "node:child_process";
import process from "node:process";

export const HOST = { v4: "203.0.113.1", v6: "2001:db8:113::1" } as const;
export const OUT = { v4: "203.0.113.2", v6: "2001:db8:113::2" } as const;

export type Where = "host" | "out";

/** Namespaces of networks with a cable between them: `host` plays the host of a daemon, whose only way out leads to `out`, which plays the internet. Gone when disposed of. */
export class TwoNamespaces implements Disposable {
  readonly host: string;
  readonly out: string;

  constructor() {
    const tag = `${process.pid}-${Math.random().toString(36).slice(2, 6)}`;
    this.host = `ie-host-${tag}`;
    this.out = `ie-out-${tag}`;
    const { host, out } = this;
    for (const line of [
      `netns add ${host}`,
      `netns add ${out}`,
      `-n ${host} link set lo up`,
      `-n ${host} link add eth0 type veth peer name eth0 netns ${out}`,
      `-n ${host} addr add ${HOST.v4}/24 dev eth0`,
      `-n ${host} addr add ${HOST.v6}/64 dev eth0 nodad`,
      `-n ${host} link set eth0 up`,
      `-n ${out} addr add ${OUT.v4}/24 dev eth0`,
      `-n ${out} addr add ${OUT.v6}/64 dev eth0 nodad`,
      `-n ${out} link set eth0 up`,
      `-n ${out} link set lo up`,
      `-n ${host} route add default via ${OUT.v4}`,
      `-n ${host} route add ::/0 via ${OUT.v6}`,
    ])
      ip(line);
  }

  /** What begins a command that is to run in one of them. */
  within(where: Where): readonly string[] {
    return ["nsenter", `--net=/run/netns/${this[where]}`, "--"];
  }

  [Symbol.dispose](): void {
    for (const name of [this.host, this.out]) ip(`netns del ${name}`);
  }
}

export function ip(line: string): string {
  return execFileSync("ip", line.split(" "), { encoding: "utf8" });
}
