import type { CommandEntry } from "./command-entry.ts";

const host = "This host:";

const tokenCommands: readonly CommandEntry[] = [
  {
    name: "create",
    group: "Commands:",
    summary: "Make a token, shown once",
    load: async () => (await import("./commands/token-create.ts")).tokenCreate,
  },
  { name: "ls", group: "Commands:", summary: "List tokens", load: async () => (await import("./commands/token-ls.ts")).tokenLs },
  { name: "rm", group: "Commands:", summary: "Revoke tokens", load: async () => (await import("./commands/token-rm.ts")).tokenRm },
];

const secretCommands: readonly CommandEntry[] = [
  {
    name: "create",
    group: "Commands:",
    summary: "Keep a secret, from stdin or a file",
    load: async () => (await import("./commands/secret-create.ts")).secretCreate,
  },
  { name: "ls", group: "Commands:", summary: "List secrets", load: async () => (await import("./commands/secret-ls.ts")).secretLs },
  { name: "rm", group: "Commands:", summary: "Remove secrets", load: async () => (await import("./commands/secret-rm.ts")).secretRm },
];

/** Who may do what, and what only machines are told. */
export const accessCommands: readonly CommandEntry[] = [
  {
    name: "token",
    group: host,
    summary: "Tokens for the API: create, ls, rm",
    children: tokenCommands,
    examples: [
      ["isthmus token create ci --role operator --tenant team-a", "shown once"],
      ["isthmus token rm ci", "revoked at once"],
    ],
  },
  {
    name: "secret",
    group: host,
    summary: "Secrets for machines: create, ls, rm",
    children: secretCommands,
    examples: [
      ["isthmus secret create db-password < password.txt", "kept encrypted"],
      ["isthmus run --secret db-password app", "as /run/secrets/db-password"],
    ],
  },
];
