/** A gateway's state of the most machines with the most rules fits. */
export const LINE_BYTES = 16 * 1024 * 1024;
/** daemons connected at once; a second one is there while the first goes */
export const CLIENTS = 4;
/** unsent replies of one client; one that reads nothing is cut off */
export const UNSENT_BYTES = 4 * 1024 * 1024;
/** until a process that was started listens, and one that listens says what it is */
export const CONNECT_MS = 10_000;
export const RETRY_MS = 50;
/** parts that the time is counted in which a process has for an answer */
export const PATIENCE_PARTS = 10;
/** from SIGKILL to the end of a process */
export const EVICT_MS = 10_000;
/** of a line that is refused */
export const SHOWN_CHARS = 200;

/** options of Node for the program: memory that it gives back early matters more than time */
export const NODE_OPTIONS: readonly string[] = ["--max-semi-space-size=1"];
/** variables that it gets of its daemon */
export const PASSED_VARIABLES: readonly string[] = [
  "PATH",
  "NODE_COMPILE_CACHE",
  "MALLOC_ARENA_MAX",
  "MALLOC_TRIM_THRESHOLD_",
  "MALLOC_MMAP_THRESHOLD_",
];
