import type { CommandEntry } from "./command-entry.ts";

const volumeCommands: readonly CommandEntry[] = [
  {
    name: "create",
    group: "Commands:",
    summary: "Make an empty volume",
    load: async () => (await import("./commands/volume-create.ts")).volumeCreate,
  },
  { name: "ls", group: "Commands:", summary: "List volumes", load: async () => (await import("./commands/volume-ls.ts")).volumeLs },
  {
    name: "inspect",
    group: "Commands:",
    summary: "Show volumes in full",
    load: async () => (await import("./commands/volume-inspect.ts")).volumeInspect,
  },
  {
    name: "export",
    group: "Commands:",
    summary: "Write a volume as a tar archive",
    load: async () => (await import("./commands/volume-export.ts")).volumeExport,
  },
  {
    name: "import",
    group: "Commands:",
    summary: "Make a volume of a tar archive",
    load: async () => (await import("./commands/volume-import.ts")).volumeImport,
  },
  { name: "rm", group: "Commands:", summary: "Remove volumes", load: async () => (await import("./commands/volume-rm.ts")).volumeRm },
  {
    name: "prune",
    group: "Commands:",
    summary: "Remove volumes that are not used",
    load: async () => (await import("./commands/volume-prune.ts")).volumePrune,
  },
];

/** `volume` under a heading of the help. */
export function volumeGroup(group: string): CommandEntry {
  return {
    name: "volume",
    group,
    summary: "Volumes: create, ls, inspect, export, import, rm, prune",
    children: volumeCommands,
    examples: [
      ["isthmus volume create data --size 20g", "run -v makes a volume that is missing, too"],
      ["isthmus run -v data:/data busybox sh", "it stays when the machine goes"],
    ],
  };
}
