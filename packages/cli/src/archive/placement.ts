import { posix } from "node:path";
import { IsthmusError } from "@isthmus/contract";

export interface Source {
  /** path without slashes at its end */
  readonly path: string;
  readonly isFolder: boolean;
  readonly contentOnly: boolean;
}

export interface Destination {
  readonly path: string;
  /** what lies there; undefined when nothing does */
  readonly found?: "folder" | "other";
  readonly folderMeant: boolean;
  /** the path as errors name it */
  readonly label?: string;
}

export interface Placement {
  /** folder that must exist */
  readonly folder: string;
  /** name that the source takes in it; empty: its content goes straight into the folder */
  readonly name: string;
}

/** Where a copy lands, by docker's rules (`docker cp`): into a folder that exists, over a file, or under a new name. Throws LOCAL_FILE for what cannot be. */
export function place(source: Source, destination: Destination): Placement {
  const { path, found, folderMeant, label = path } = destination;
  if (found === "folder") {
    if (source.isFolder && source.contentOnly) return { folder: path, name: "" };
    return { folder: path, name: posix.basename(source.path) };
  }
  if (found === "other") {
    if (source.isFolder) throw new IsthmusError("LOCAL_FILE", { path: label, reason: "a folder cannot be copied over a file" });
    if (folderMeant) throw new IsthmusError("LOCAL_FILE", { path: label, reason: "it is not a folder" });
  } else if (folderMeant && !source.isFolder) {
    throw new IsthmusError("LOCAL_FILE", { path: label, reason: "there is no such folder" });
  }
  return { folder: posix.dirname(path), name: posix.basename(path) };
}
