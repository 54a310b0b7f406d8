import { accessCommands } from "./access-commands.ts";
import type { CommandEntry } from "./command-entry.ts";
import { imageCommands } from "./image-commands.ts";
import { machineCommands } from "./machine-commands.ts";
import { networkGroup } from "./network-commands.ts";
import { systemGroup } from "./system-commands.ts";
import { volumeGroup } from "./volume-commands.ts";

const parts = "Images, volumes, templates and kernels:";
const host = "This host:";

const templateCommands: readonly CommandEntry[] = [
  { name: "ls", group: "Commands:", summary: "List templates", load: async () => (await import("./commands/template-ls.ts")).templateLs },
  { name: "rm", group: "Commands:", summary: "Remove templates", load: async () => (await import("./commands/template-rm.ts")).templateRm },
  {
    name: "prune",
    group: "Commands:",
    summary: "Remove templates that are not used",
    load: async () => (await import("./commands/template-prune.ts")).templatePrune,
  },
];

const licenseCommands: readonly CommandEntry[] = [
  {
    name: "add",
    group: "Commands:",
    summary: "Add a pool of seats",
    load: async () => (await import("./commands/license-add.ts")).licenseAdd,
  },
  { name: "ls", group: "Commands:", summary: "List pools", load: async () => (await import("./commands/license-ls.ts")).licenseLs },
  {
    name: "inspect",
    group: "Commands:",
    summary: "Show pools and who holds their seats",
    load: async () => (await import("./commands/license-inspect.ts")).licenseInspect,
  },
  { name: "rm", group: "Commands:", summary: "Remove pools", load: async () => (await import("./commands/license-rm.ts")).licenseRm },
  {
    name: "report",
    group: "Commands:",
    summary: "Who used what when, high-water marks, forecast",
    load: async () => (await import("./commands/license-report.ts")).licenseReport,
  },
];

const kernelCommands: readonly CommandEntry[] = [
  { name: "ls", group: "Commands:", summary: "List guest kernels", load: async () => (await import("./commands/kernel-ls.ts")).kernelLs },
  {
    name: "fetch",
    group: "Commands:",
    summary: "Fetch Debian's cloud kernel",
    load: async () => (await import("./commands/kernel-fetch.ts")).kernelFetch,
  },
  {
    name: "build",
    group: "Commands:",
    summary: "Build a small kernel from Debian's sources",
    load: async () => (await import("./commands/kernel-build.ts")).kernelBuild,
  },
];

const quotaCommands: readonly CommandEntry[] = [
  {
    name: "set",
    group: "Commands:",
    summary: "Say what a tenant may have",
    load: async () => (await import("./commands/quota-set.ts")).quotaSet,
  },
  {
    name: "ls",
    group: "Commands:",
    summary: "List what tenants have and may have",
    load: async () => (await import("./commands/quota-ls.ts")).quotaLs,
  },
  {
    name: "inspect",
    group: "Commands:",
    summary: "Show quotas in full",
    load: async () => (await import("./commands/quota-inspect.ts")).quotaInspect,
  },
  { name: "rm", group: "Commands:", summary: "Take quotas away", load: async () => (await import("./commands/quota-rm.ts")).quotaRm },
];

const hostCommands: readonly CommandEntry[] = [
  {
    name: "status",
    group: "Commands:",
    summary: "Show this host's limits, queue, pressure and seats",
    load: async () => (await import("./commands/host-status.ts")).hostStatus,
  },
];

const daemonCommands: readonly CommandEntry[] = [
  {
    name: "start",
    group: "Commands:",
    summary: "Start the daemon",
    load: async () => (await import("./commands/daemon-start.ts")).daemonStart,
  },
  {
    name: "stop",
    group: "Commands:",
    summary: "Stop the daemon; machines go on",
    load: async () => (await import("./commands/daemon-stop.ts")).daemonStop,
  },
  {
    name: "status",
    group: "Commands:",
    summary: "Say whether the daemon runs",
    load: async () => (await import("./commands/daemon-status.ts")).daemonStatus,
  },
  {
    name: "logs",
    group: "Commands:",
    summary: "Show the daemon's log",
    load: async () => (await import("./commands/daemon-logs.ts")).daemonLogs,
  },
  {
    name: "run",
    group: "Commands:",
    summary: "Run the daemon in the foreground",
    load: async () => (await import("./commands/daemon-run.ts")).daemonRun,
  },
];

/** Every command, in the order of the help. */
export const commandTable: readonly CommandEntry[] = [
  ...machineCommands,
  {
    name: "image",
    group: parts,
    summary: "Images: ls, inspect, pull, push, import, load, save, history, tag, warm, prune, rm",
    children: imageCommands,
    examples: [
      ["isthmus image ls", "what there is"],
      ["isthmus image pull debian:12", "from a registry"],
      ["isthmus image load web.tar", "what docker save wrote"],
      ["isthmus image import ./rootfs mine", "a folder becomes an image"],
    ],
  },
  {
    name: "template",
    group: parts,
    summary: "Templates that machines are cloned from: ls, rm, prune",
    children: templateCommands,
    examples: [["isthmus template ls", "they are made and used by themselves"]],
  },
  volumeGroup(parts),
  networkGroup(parts),
  {
    name: "kernel",
    group: parts,
    summary: "Guest kernels: ls, fetch, build",
    children: kernelCommands,
    examples: [["isthmus kernel ls", "the star marks the one that machines boot; the first machine fetches one by itself"]],
  },
  {
    name: "pull",
    group: parts,
    summary: "Same as image pull",
    load: async () => (await import("./commands/image-pull.ts")).imagePull,
  },
  { name: "images", group: parts, summary: "Same as image ls", load: async () => (await import("./commands/image-ls.ts")).imageLs },
  {
    name: "rmi",
    group: parts,
    summary: "Same as image rm",
    load: async () => (await import("./commands/image-rm.ts")).imageRm,
    hidden: true,
  },
  {
    name: "import",
    group: parts,
    summary: "Same as image import",
    load: async () => (await import("./commands/image-import.ts")).imageImport,
    hidden: true,
  },
  {
    name: "load",
    group: parts,
    summary: "Same as image load",
    load: async () => (await import("./commands/image-load.ts")).imageLoad,
    hidden: true,
  },
  {
    name: "push",
    group: parts,
    summary: "Same as image push",
    load: async () => (await import("./commands/image-push.ts")).imagePush,
    hidden: true,
  },
  {
    name: "save",
    group: parts,
    summary: "Same as image save",
    load: async () => (await import("./commands/image-save.ts")).imageSave,
    hidden: true,
  },
  {
    name: "history",
    group: parts,
    summary: "Same as image history",
    load: async () => (await import("./commands/image-history.ts")).imageHistory,
    hidden: true,
  },
  {
    name: "tag",
    group: parts,
    summary: "Same as image tag",
    load: async () => (await import("./commands/image-tag.ts")).imageTag,
    hidden: true,
  },
  {
    name: "license",
    group: host,
    summary: "Licences of software that machines use: add, ls, inspect, rm, report",
    children: licenseCommands,
    examples: [
      ["isthmus license add matlab --seats 20", "machines that name matlab take one each"],
      ["isthmus license report", "per product and day"],
    ],
  },
  { name: "events", group: host, summary: "Show what happened", load: async () => (await import("./commands/events.ts")).events },
  {
    name: "simulate",
    group: host,
    summary: "Play a storm of starts against simulated hosts",
    load: async () => (await import("./commands/simulate.ts")).simulate,
  },
  {
    name: "top",
    group: host,
    summary: "Show pressure and what machines cost, or the processes of one",
    load: async () => (await import("./commands/top.ts")).top,
  },
  {
    name: "doctor",
    group: host,
    summary: "Check this host and say what to mend",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  {
    name: "host",
    group: host,
    summary: "This host's limits, queue and seats: status",
    children: hostCommands,
    examples: [["isthmus host status", "every limit, what is used of it, and where it comes from"]],
  },
  {
    name: "quota",
    group: host,
    summary: "What tenants may have: set, ls, inspect, rm",
    children: quotaCommands,
    examples: [
      ["isthmus quota set team-a --machines 50 --memory 16g", "no more than that at once"],
      ["isthmus quota ls", "what each has and may have"],
    ],
  },
  systemGroup(host),
  ...accessCommands,
  {
    name: "daemon",
    group: host,
    summary: "The daemon: start, stop, status, logs, run",
    children: daemonCommands,
    examples: [
      ["isthmus daemon status", "whether it runs, and where"],
      ["isthmus daemon logs -f", "what it does"],
      ["isthmus daemon run", "in the foreground, for a service manager"],
    ],
  },
  {
    name: "version",
    group: host,
    summary: "Show the versions of command and daemon",
    load: async () => (await import("./commands/version.ts")).version,
  },
  {
    name: "completion",
    group: host,
    summary: "Print the completion script of a shell",
    load: async () => (await import("./commands/completion.ts")).completion,
  },
  {
    name: "__complete",
    group: host,
    summary: "Answer a shell's completion",
    load: async () => (await import("./commands/complete.ts")).completeFrom(() => commandTable),
    hidden: true,
  },
];
