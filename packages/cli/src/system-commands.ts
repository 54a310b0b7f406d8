import type { CommandEntry } from "./command-entry.ts";

const systemCommands: readonly CommandEntry[] = [
  {
    name: "df",
    group: "Commands:",
    summary: "Show what takes room on the disk",
    load: async () => (await import("./commands/system-df.ts")).systemDf,
  },
  {
    name: "prune",
    group: "Commands:",
    summary: "Remove what is not in use",
    load: async () => (await import("./commands/system-prune.ts")).systemPrune,
  },
];

/** `system` under a heading of the help. */
export function systemGroup(group: string): CommandEntry {
  return {
    name: "system",
    group,
    summary: "Room on this host's disk: df, prune",
    children: systemCommands,
    examples: [
      ["isthmus system df", "what takes it"],
      ["isthmus system prune", "removes what has ended, and asks first"],
    ],
  };
}
