import { posix } from "node:path";
import { invalid } from "./invalid.ts";

export interface LocalPath {
  readonly kind: "local";
  /** as written, without slashes at its end */
  readonly path: string;
  /** ends with `/.` or is `.`: the content of the folder, not the folder */
  readonly contentOnly: boolean;
  /** ends with `/`: a folder is meant */
  readonly folderMeant: boolean;
}

export interface MachinePath extends Omit<LocalPath, "kind"> {
  readonly kind: "machine";
  readonly machine: string;
}

/** our own stdin or stdout */
export interface StreamPath {
  readonly kind: "stream";
}

export type CopyPath = LocalPath | MachinePath | StreamPath;

/** `MACHINE:PATH`, a local path, or `-`. A local name with a colon is written `./a:b`; paths in a machine are absolute or start at its root. */
export function copyPath(text: string): CopyPath {
  if (text === "-") return { kind: "stream" };
  const cut = text.indexOf(":");
  if (cut === -1 || text.startsWith("/") || text.startsWith(".")) {
    if (text === "") throw invalid("path", text, "write a path, MACHINE:PATH or -");
    return { kind: "local", ...ending(text, text.replace(/(?<=.)\/+$/, "")) };
  }
  const machine = text.slice(0, cut);
  const path = text.slice(cut + 1);
  if (machine === "" || path === "") throw invalid("path", text, "write MACHINE:PATH");
  return { kind: "machine", machine, ...ending(path, posix.resolve("/", path)) };
}

function ending(text: string, path: string): Omit<LocalPath, "kind"> {
  const contentOnly = text === "." || text.endsWith("/.");
  return { path, contentOnly, folderMeant: text.endsWith("/") || contentOnly };
}
