import type { CommandEntry } from "./command-entry.ts";

const networkCommands: readonly CommandEntry[] = [
  {
    name: "create",
    group: "Commands:",
    summary: "Make a network",
    load: async () => (await import("./commands/network-create.ts")).networkCreate,
  },
  {
    name: "ls",
    group: "Commands:",
    summary: "List networks",
    load: async () => (await import("./commands/network-ls.ts")).networkLs,
  },
  {
    name: "inspect",
    group: "Commands:",
    summary: "Show networks in full",
    load: async () => (await import("./commands/network-inspect.ts")).networkInspect,
  },
  {
    name: "connect",
    group: "Commands:",
    summary: "Put a machine on a network",
    load: async () => (await import("./commands/network-connect.ts")).networkConnect,
  },
  {
    name: "disconnect",
    group: "Commands:",
    summary: "Take a machine off a network",
    load: async () => (await import("./commands/network-disconnect.ts")).networkDisconnect,
  },
  {
    name: "rm",
    group: "Commands:",
    summary: "Remove networks",
    load: async () => (await import("./commands/network-rm.ts")).networkRm,
  },
  {
    name: "prune",
    group: "Commands:",
    summary: "Remove networks that are not used",
    load: async () => (await import("./commands/network-prune.ts")).networkPrune,
  },
];

/** `network` under a heading of the help. */
export function networkGroup(group: string): CommandEntry {
  return {
    name: "network",
    group,
    summary: "Networks: create, ls, inspect, connect, disconnect, rm, prune",
    children: networkCommands,
    examples: [
      ["isthmus network create web", "needs a daemon that is root"],
      ["isthmus run -d --network web --name api busybox httpd -f", "others on it find it as api"],
    ],
  };
}
