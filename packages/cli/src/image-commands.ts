import type { CommandEntry } from "./command-entry.ts";

/** What comes after `isthmus image`. */
export const imageCommands: readonly CommandEntry[] = [
  { name: "ls", group: "Commands:", summary: "List images", load: async () => (await import("./commands/image-ls.ts")).imageLs },
  {
    name: "inspect",
    group: "Commands:",
    summary: "Show images in full",
    load: async () => (await import("./commands/image-inspect.ts")).imageInspect,
  },
  {
    name: "import",
    group: "Commands:",
    summary: "Make an image of a root file system",
    load: async () => (await import("./commands/image-import.ts")).imageImport,
  },
  {
    name: "load",
    group: "Commands:",
    summary: "Load an OCI or docker-save archive",
    load: async () => (await import("./commands/image-load.ts")).imageLoad,
  },
  {
    name: "pull",
    group: "Commands:",
    summary: "Get images from their registries",
    load: async () => (await import("./commands/image-pull.ts")).imagePull,
  },
  {
    name: "push",
    group: "Commands:",
    summary: "Send images to their registries",
    load: async () => (await import("./commands/image-push.ts")).imagePush,
  },
  {
    name: "save",
    group: "Commands:",
    summary: "Write images to an archive",
    load: async () => (await import("./commands/image-save.ts")).imageSave,
  },
  {
    name: "history",
    group: "Commands:",
    summary: "Show the steps that made an image",
    load: async () => (await import("./commands/image-history.ts")).imageHistory,
  },
  {
    name: "prune",
    group: "Commands:",
    summary: "Remove images that nothing uses",
    load: async () => (await import("./commands/image-prune.ts")).imagePrune,
  },
  {
    name: "tag",
    group: "Commands:",
    summary: "Give an image another name",
    load: async () => (await import("./commands/image-tag.ts")).imageTag,
  },
  {
    name: "warm",
    group: "Commands:",
    summary: "Make the template of an image ahead",
    load: async () => (await import("./commands/image-warm.ts")).imageWarm,
  },
  { name: "rm", group: "Commands:", summary: "Remove images", load: async () => (await import("./commands/image-rm.ts")).imageRm },
];
