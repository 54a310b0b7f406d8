import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError } from "@isthmus/contract";
import { DAEMON_POLL_MS, DAEMON_START_DEADLINE_MS } from "../config.ts";
import { takeLock } from "./lock.ts";
import { failureReason, tailOf } from "./log-tail.ts";
import type { DaemonPaths } from "./paths.ts";
import { daemonArguments, daemonEnvironment } from "./program.ts";

export interface LaunchOptions {
  readonly paths: DaemonPaths;
  readonly env: NodeJS.ProcessEnv;
  /** true when a daemon answers requests */
  readonly answers: () => Promise<boolean>;
  /** program to run; the daemon's own by default */
  readonly main?: string;
  readonly deadlineMs?: number;
}

/**
 * Starts the daemon in a session of its own and waits until it answers. Of several commands that do so at once one starts it and all wait.
 * Throws DAEMON_START_FAILED with the reason from its log, LOCAL_FILE when its folders cannot be made.
 */
export async function launchDaemon(options: LaunchOptions): Promise<"started" | "found"> {
  const deadline = Date.now() + (options.deadlineMs ?? DAEMON_START_DEADLINE_MS);
  while (Date.now() < deadline) {
    if (await options.answers()) return "found";
    const release = local(options.paths.lock, () => takeLock(options.paths.lock));
    if (release) {
      try {
        if (await options.answers()) return "found";
        await startAndWait(options, deadline);
        return "started";
      } finally {
        release();
      }
    }
    await sleep(DAEMON_POLL_MS);
  }
  throw failed(options, "it did not answer in time");
}

async function startAndWait(options: LaunchOptions, deadline: number): Promise<void> {
  const { child, logStart } = spawnDaemon(options);
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = error.message;
  });
  child.once("exit", (code, signal) => {
    ended ??= failureReason(tailOf(options.paths.log, logStart)) ?? `it ended with ${signal ?? `code ${code}`}`;
  });
  while (Date.now() < deadline) {
    if (await options.answers()) return;
    if (ended !== undefined) throw failed(options, ended);
    await sleep(DAEMON_POLL_MS);
  }
  child.kill("SIGTERM");
  throw failed(options, `it did not answer within ${options.deadlineMs ?? DAEMON_START_DEADLINE_MS} ms`);
}

function spawnDaemon({ paths, env, main }: LaunchOptions): { readonly child: ChildProcess; readonly logStart: number } {
  const fd = local(paths.log, () => {
    mkdirSync(paths.home, { recursive: true, mode: 0o700 });
    return openSync(paths.log, "a", 0o600);
  });
  const logStart = sizeOf(paths.log);
  try {
    const options: SpawnOptions = { detached: true, stdio: ["ignore", fd, fd], cwd: "/", env: daemonEnvironment(env, paths) };
    const child = spawn(process.execPath, daemonArguments(main), options);
    child.unref();
    return { child, logStart };
  } finally {
    closeSync(fd);
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function failed(options: LaunchOptions, reason: string): IsthmusError {
  return new IsthmusError("DAEMON_START_FAILED", { reason, log: options.paths.log });
}

function local<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new IsthmusError("LOCAL_FILE", { path: file, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}
