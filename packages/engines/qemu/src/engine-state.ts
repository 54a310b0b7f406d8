import { renameSync, writeFileSync } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Accelerator, PublishedPort } from "@isthmus/contract";
import type { SavedParts } from "@isthmus/core";
import { agentSocketPath, qmpSocketPath } from "./command-line.ts";
import { fileNames } from "./config.ts";

/** How far a start got: a process may exist from `spawning` on, has a pid from `booting` on, and its workload runs at `running`. */
export type StartPhase = "spawning" | "booting" | "running";

/** What a later daemon needs to take up a machine; `engine.json` in its folder. */
export interface EngineState {
  readonly phase: StartPhase;
  /** of the host */
  readonly bootId: string;
  readonly pid?: number;
  readonly startTime?: string;
  readonly accelerator: Accelerator;
  readonly ports: readonly PublishedPort[];
  readonly notes: readonly string[];
  readonly timings: Readonly<Record<string, number>>;
  /** what must match where its guest goes on after it was saved */
  readonly parts: SavedParts;
  /** its guest is stopped, or its processes are, while it is saved */
  readonly capturing?: true | undefined;
  /** it is brought back from a saved guest, as itself or as a clone */
  readonly restoring?: "same" | "clone" | undefined;
}

/**
 * Replaces the state as a whole. Not synced to disk: after a crash of the host there is no process to find. At once and not by the thread pool: some
 * hundred bytes take less time to write than a thread to wake on a host whose processors are busy with guests.
 */
export async function saveState(folder: string, state: EngineState): Promise<void> {
  const path = join(folder, fileNames.state);
  writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function isState(value: unknown): value is EngineState {
  return (
    typeof value === "object" &&
    value !== null &&
    "phase" in value &&
    "bootId" in value &&
    "accelerator" in value &&
    "ports" in value &&
    "parts" in value
  );
}

/** Undefined when there is none that can be used: nothing was spawned then. */
export async function loadState(folder: string): Promise<EngineState | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(folder, fileNames.state), "utf8"));
    return isState(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Removes what a dead engine process leaves; its logs stay for the user. */
export async function clearLeftovers(folder: string, socketFolder: string): Promise<void> {
  const paths = [
    agentSocketPath(socketFolder),
    qmpSocketPath(socketFolder),
    join(folder, fileNames.state),
    join(folder, `${fileNames.state}.new`),
  ];
  await Promise.all([...paths.map((path) => rm(path, { force: true })), setAside(join(folder, fileNames.memoryBase))]);
}

/** A file of the size of the guest's memory takes tens of ms to remove, for which no start waits; what a dying daemon leaves of it the next one to clear removes. */
async function setAside(path: string): Promise<void> {
  const aside = `${path}.gone`;
  await rename(path, aside).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause;
  });
  rm(aside, { force: true }).catch(() => undefined);
}
