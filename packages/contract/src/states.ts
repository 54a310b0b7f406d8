/**
 * Machine states and what may be done in each: the one table that daemon, CLI, SDK and dashboard share.
 *
 *             ┌── refused
 * requested ──┤
 *             └─ queued ─► starting ─► running ◄──► paused
 *                 ▲            │        │  │
 *          resume │            │        │  ▼
 *                 └─ suspended ◄────────┘ stopping ─► exited
 *                              ▼
 *                            failed
 */
export const machineStates = [
  "requested",
  "refused",
  "queued",
  "starting",
  "running",
  "paused",
  "suspended",
  "stopping",
  "exited",
  "failed",
] as const;

/** `running` means that the guest answered, not that a process was spawned. */
export type MachineState = (typeof machineStates)[number];

export const machineActions = {
  start: ["requested", "refused", "exited", "failed"],
  stop: ["requested", "refused", "queued", "starting", "running", "paused", "exited", "failed"],
  kill: ["running", "paused", "suspended", "stopping"],
  pause: ["running"],
  unpause: ["paused"],
  suspend: ["running"],
  resume: ["suspended"],
  snapshot: ["running"],
  clone: ["running"],
  exec: ["running"],
  attach: ["queued", "starting", "running", "paused", "stopping"],
  copy: ["running", "exited", "failed"],
  stats: ["running", "paused"],
  remove: ["requested", "refused", "exited", "failed"],
} as const satisfies Record<string, readonly MachineState[]>;

export type MachineAction = keyof typeof machineActions;

/** True when `action` is allowed on a machine in `state`. */
export function can(action: MachineAction, state: MachineState): boolean {
  const allowed: readonly MachineState[] = machineActions[action];
  return allowed.includes(state);
}

/** The next states that a state may turn into; anything else is a programming error. */
export const transitions = {
  requested: ["queued", "refused", "failed"],
  refused: ["queued"],
  queued: ["starting", "exited", "failed", "refused", "suspended"],
  starting: ["running", "stopping", "failed", "exited", "suspended"],
  running: ["paused", "suspended", "stopping", "exited", "failed"],
  paused: ["running", "stopping", "exited", "failed"],
  suspended: ["queued", "exited"],
  stopping: ["exited", "failed"],
  exited: ["queued"],
  failed: ["queued"],
} as const satisfies Record<MachineState, readonly MachineState[]>;

export function canBecome(from: MachineState, to: MachineState): boolean {
  const next: readonly MachineState[] = transitions[from];
  return next.includes(to);
}

/** It ran, or was to run, and is over. */
export function hasEnded(state: MachineState): boolean {
  return state === "exited" || state === "failed";
}

/** No process belongs to a machine in these states. */
export function isSettled(state: MachineState): boolean {
  return state === "exited" || state === "failed" || state === "refused" || state === "requested" || state === "suspended";
}
