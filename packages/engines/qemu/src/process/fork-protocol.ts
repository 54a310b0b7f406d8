import { constants } from "node:os";

/** What a fork server is asked for; `guest/agent/host/fork.h` says the same. */
export interface ForkRequest {
  readonly id: string;
  /** id of the zygote that is to be forked as it is; "" for the server itself, before its program's first instruction */
  readonly zygote: string;
  /** "zygote": it will be asked to fork */
  readonly kind: "" | "zygote";
  readonly folder: string;
  readonly log: string;
  /** "" for none */
  readonly statePath: string;
  /** "" for the server's, "new" for an empty one, or a path */
  readonly namespace: string;
  /** files to which the child writes itself */
  readonly groups: readonly string[];
  /**
   * Program and arguments. Of a zygote's fork they only say what it is; before them come how many pairs there are of a path that the zygote has open and the one that the fork has
   * instead, which is the same for what both may have, and the pairs.
   */
  readonly words: readonly string[];
}

export type ForkAnswer =
  | { readonly kind: "serves"; readonly pid: number }
  | { readonly kind: "ready"; readonly id: string; readonly pid: number }
  | { readonly kind: "failed"; readonly id: string; readonly reason: string }
  | { readonly kind: "refused"; readonly id: string; readonly index: number; readonly reason: string }
  | { readonly kind: "ended"; readonly id: string; readonly status: string };

export function encodeFork({ id, zygote, kind, folder, log, statePath, namespace, groups, words }: ForkRequest): Buffer {
  const all = [id, zygote, kind, folder, log, statePath, namespace, String(groups.length), ...groups, ...words];
  const body = Buffer.from(all.map((word) => `${word}\0`).join(""));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}

/** Undefined for a line that is none of a fork server. */
export function parseAnswer(line: string): ForkAnswer | undefined {
  const [kind, id = "", third = "", ...rest] = line.split(" ");
  const number = Number(third);
  if (kind === "serves") return { kind, pid: Number(id) };
  if (kind === "ready") return { kind, id, pid: number };
  if (kind === "failed") return { kind, id, reason: [third, ...rest].join(" ") };
  if (kind === "refused") return { kind, id, index: number, reason: rest.join(" ") };
  if (kind !== "ended") return undefined;
  return { kind, id, status: third === "killed" ? `signal ${signalName(Number(rest[0]))}` : `exit status ${rest[0]}` };
}

function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? String(number);
}
