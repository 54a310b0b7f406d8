/**
 * Places where a fault test can end the daemon with SIGKILL: before and after each side effect. The daemon wires `crashpoint` to the environment
 * variable CRASH_AT; everywhere else it does nothing.
 */
export const crashPoints = [
  "create.before-insert",
  "create.after-insert",
  "start.before-queued",
  "start.after-queued",
  "start.before-folder",
  "start.after-folder",
  "start.before-disk",
  "start.after-disk",
  "start.before-prepare",
  "start.after-prepare",
  "start.before-starting",
  "start.after-starting",
  "start.before-engine",
  "start.after-engine",
  "start.before-running",
  "start.after-running",
  "start.before-failed",
  "start.after-failed",
  "stop.before-stopping",
  "stop.after-stopping",
  "stop.before-shutdown",
  "stop.after-shutdown",
  "kill.before-mark",
  "kill.after-mark",
  "kill.before-engine",
  "kill.after-engine",
  "exit.before-exited",
  "exit.after-exited",
  "remove.before-delete",
  "remove.after-delete",
  "remove.before-folder",
  "remove.after-folder",
] as const;

export type CrashPoint = (typeof crashPoints)[number];

/** Called at each place; returns, or does not. */
export type Crashpoint = (name: CrashPoint) => void;
