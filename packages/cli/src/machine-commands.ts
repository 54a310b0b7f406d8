import type { CommandEntry } from "./command-entry.ts";

const machines = "Machines:";
const inside = "Inside a machine:";
const saved = "Snapshots and clones:";

const snapshotCommands: readonly CommandEntry[] = [
  {
    name: "create",
    group: "Commands:",
    summary: "Take a snapshot of a running machine",
    load: async () => (await import("./commands/snapshot-create.ts")).snapshotCreate,
  },
  { name: "ls", group: "Commands:", summary: "List snapshots", load: async () => (await import("./commands/snapshot-ls.ts")).snapshotLs },
  {
    name: "inspect",
    group: "Commands:",
    summary: "Show snapshots in full",
    load: async () => (await import("./commands/snapshot-inspect.ts")).snapshotInspect,
  },
  { name: "rm", group: "Commands:", summary: "Remove snapshots", load: async () => (await import("./commands/snapshot-rm.ts")).snapshotRm },
];

/** What is done with machines, in them, and with what is saved of them. */
export const machineCommands: readonly CommandEntry[] = [
  { name: "run", group: machines, summary: "Run a command in a new machine", load: async () => (await import("./commands/run.ts")).run },
  { name: "ps", group: machines, summary: "List machines", load: async () => (await import("./commands/ps.ts")).ps },
  { name: "inspect", group: machines, summary: "Show machines in full", load: async () => (await import("./commands/inspect.ts")).inspect },
  { name: "why", group: machines, summary: "Say why a machine is as it is", load: async () => (await import("./commands/why.ts")).why },
  { name: "logs", group: machines, summary: "Show what a machine wrote", load: async () => (await import("./commands/logs.ts")).logs },
  {
    name: "start",
    group: machines,
    summary: "Start machines that were stopped",
    load: async () => (await import("./commands/start.ts")).start,
  },
  { name: "stop", group: machines, summary: "Stop machines in order", load: async () => (await import("./commands/stop.ts")).stop },
  {
    name: "restart",
    group: machines,
    summary: "Stop machines and start them again",
    load: async () => (await import("./commands/restart.ts")).restart,
  },
  {
    name: "kill",
    group: machines,
    summary: "Signal machines, or end them at once",
    load: async () => (await import("./commands/kill.ts")).kill,
  },
  { name: "pause", group: machines, summary: "Stop machines' virtual CPUs", load: async () => (await import("./commands/pause.ts")).pause },
  {
    name: "unpause",
    group: machines,
    summary: "Let paused machines go on",
    load: async () => (await import("./commands/unpause.ts")).unpause,
  },
  {
    name: "suspend",
    group: machines,
    summary: "Save machines to disk and end their processes",
    load: async () => (await import("./commands/suspend.ts")).suspend,
  },
  {
    name: "resume",
    group: machines,
    summary: "Let suspended machines go on",
    load: async () => (await import("./commands/resume.ts")).resume,
  },
  {
    name: "wait",
    group: machines,
    summary: "Wait until machines end and print their exit codes",
    load: async () => (await import("./commands/wait.ts")).wait,
  },
  {
    name: "update",
    group: machines,
    summary: "Change limits and policies while machines run",
    load: async () => (await import("./commands/update.ts")).update,
  },
  {
    name: "rename",
    group: machines,
    summary: "Give a machine another name",
    load: async () => (await import("./commands/rename.ts")).rename,
  },
  { name: "rm", group: machines, summary: "Remove machines", load: async () => (await import("./commands/rm.ts")).rm },
  {
    name: "exec",
    group: inside,
    summary: "Run a command in a running machine",
    load: async () => (await import("./commands/exec.ts")).exec,
  },
  {
    name: "attach",
    group: inside,
    summary: "Join a machine's input and output",
    load: async () => (await import("./commands/attach.ts")).attach,
  },
  { name: "cp", group: inside, summary: "Copy files into or out of a machine", load: async () => (await import("./commands/cp.ts")).cp },
  {
    name: "diff",
    group: inside,
    summary: "Show what a machine changed of its image's files",
    load: async () => (await import("./commands/diff.ts")).diff,
  },
  {
    name: "export",
    group: inside,
    summary: "Write a machine's files as a tar archive",
    load: async () => (await import("./commands/export.ts")).exportMachine,
  },
  { name: "stats", group: inside, summary: "Show what machines use", load: async () => (await import("./commands/stats.ts")).stats },
  {
    name: "clone",
    group: saved,
    summary: "Make machines that go on from a snapshot or a running machine",
    load: async () => (await import("./commands/clone.ts")).clone,
  },
  {
    name: "snapshot",
    group: saved,
    summary: "Snapshots of running machines: create, ls, inspect, rm",
    children: snapshotCommands,
    examples: [
      ["isthmus snapshot create web --name before", "web goes on"],
      ["isthmus snapshot ls", "what there is, and whether it can be used here"],
      ["isthmus clone before -n 3", "three machines go on from it"],
    ],
  },
  {
    name: "snapshots",
    group: saved,
    summary: "Same as snapshot ls",
    load: async () => (await import("./commands/snapshot-ls.ts")).snapshotLs,
    hidden: true,
  },
];
