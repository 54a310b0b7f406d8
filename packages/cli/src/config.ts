import { MIB } from "@isthmus/contract";

/** Exit codes of the command itself; a workload's own code is passed on as it is. */
export const exitCodes = {
  ok: 0,
  error: 1,
  usage: 2,
  /** our own error in a command that otherwise passes on a workload's code: run, exec, attach, start -a */
  ownError: 125,
  /** what a shell reports for a program that a closed pipe ended */
  brokenPipe: 141,
  interrupted: 130,
} as const;

/** ms from spawning the daemon until its socket must answer; the first start also sets up the kernel and the built-in image */
export const DAEMON_START_DEADLINE_MS = 180_000;
/** ms between two tries of the daemon's socket */
export const DAEMON_POLL_MS = 40;
/** ms that a stopping daemon has to let go of its socket */
export const DAEMON_STOP_DEADLINE_MS = 30_000;
/** ms after which a lock file of a start that never ended is taken over */
export const DAEMON_LOCK_STALE_MS = DAEMON_START_DEADLINE_MS + 5_000;
/** bytes of the daemon's log that are looked at for the reason of a failed start */
export const DAEMON_LOG_TAIL_BYTES = 64 * 1024;

/** ms without a daemon after which a command that stays with a machine says so */
export const LOST_DAEMON_NOTE_MS = 3_000;
/** starts of a lost daemon that may fail one after another before such a command gives up */
export const LOST_DAEMON_STARTS = 4;
/** ms within which a second Ctrl-C kills the machine */
export const SECOND_INTERRUPT_MS = 2_000;
/** ms that a workload has to end after its reader went away */
export const BROKEN_PIPE_GRACE_MS = 2_000;
/** ms that a foreground run waits for the removal of its machine after its end */
export const AUTO_REMOVE_WAIT_MS = 2_000;
/** keys that leave a session and let the machine go on: ctrl-p, ctrl-q */
export const DETACH_KEYS = Uint8Array.of(0x10, 0x11);

/** bytes of an --env-file at most */
export const ENV_FILE_MAX_BYTES = 1 * MIB;
/** characters of a table's COMMAND column */
export const COMMAND_COLUMN_CHARS = 30;
/** characters of an id in tables */
export const SHORT_ID_CHARS = 12;
/** ms between two lines of `stats` */
export const STATS_INTERVAL_MS = 1_000;
/** ms between two pictures of `top`: the daemon looks as often */
export const TOP_INTERVAL_MS = 2_000;
/** ms between two looks at the place of a start in the queue */
export const QUEUE_POLL_MS = 500;
/** ms between two frames of a spinner */
export const SPINNER_MS = 100;
/** ms that a completion waits for the daemon; a slow answer is worse than none */
export const COMPLETION_DEADLINE_MS = 700;
/** entries that one `cp` may hold */
export const COPY_ENTRIES_MAX = 2_000_000;
/** Most of a process's command line that a table shows. */
export const COMMAND_LINE_CHARS = 200;
