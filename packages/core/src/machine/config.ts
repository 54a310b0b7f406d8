import { MIB } from "@isthmus/contract";

/** requests that wait for one machine, internal ones not counted */
export const MACHINE_QUEUE_LENGTH = 32;
/** ms for which what was read of the host is used again */
export const FACTS_MS = 200;
/** latest events of a machine that are looked through for reasons */
export const WHY_EVENTS = 50;
/** ms after which a start that still waits is told of in an event, with its place and cause */
export const WAITING_EVENT_MS = 1_000;
/** ms that a guest without a workload has to write out what it holds and power off */
export const LOOK_END_MS = 10_000;
/** ms for which a guest that was booted for a look stays for the next copy */
export const LOOK_LINGER_MS = 1_000;
/** ms that the guest of a machine that is killed has to write to its volumes what it holds */
export const VOLUMES_WRITTEN_MS = 5_000;
/** machines on one host, settled ones included */
export const MACHINES_MAX = 10_000;
/** what an engine process needs beside the guest's memory, bytes */
export const ENGINE_OVERHEAD_BYTES = 48 * MIB;

/** ms of the first back-off of the restart policy; it doubles with each further one */
export const RESTART_DELAY_FIRST_MS = 100;
export const RESTART_DELAY_MAX_MS = 60_000;
/** a run of this many ms forgets earlier failures */
export const RESTART_RESET_MS = 10_000;

/** ms beyond the stop timeout for the guest to sync, unmount and power off before its engine is killed */
export const STOP_GRACE_MS = 5_000;
/** ms for an engine process to be gone after its kill */
export const KILL_DEADLINE_MS = 10_000;
/** ms for one machine to be taken up; engines keep a shorter one of their own, so that this is for an engine that hangs */
export const ADOPT_DEADLINE_MS = 4_000;
/** ms between tries to reach a machine that lives but does not answer */
export const ADOPT_RETRY_MS = 5_000;
/** times that one start is begun again because the daemon died in it */
export const START_RESUMES_MAX = 3;
/** ms between tries to write down how a machine ended while the store refuses */
export const COMMIT_RETRY_MS = 1_000;
/** ms that a graceful stop of the daemon waits for starts in progress */
export const CLOSE_GRACE_MS = 5_000;

/** looks in one idle time, and the bounds of the ms between two */
export const IDLE_LOOKS = 5;
export const IDLE_LOOK_MIN_MS = 500;
export const IDLE_LOOK_MAX_MS = 30_000;
/** a machine whose engine uses a smaller part of one processor does next to nothing: an idle guest uses less than a tenth of that */
export const IDLE_CPU_PART = 0.02;
/** ms between tries to listen on the ports of a suspended machine */
export const CONTACT_RETRY_MS = 5_000;
/** ms between tries to publish the ports of a machine that was taken up */
export const PUBLISH_RETRY_MS = 5_000;

/** ms that an auto-removed machine stays for a client that has not read its output yet */
export const AUTO_REMOVE_LINGER_MS = 1_000;
/** the same after a start of the daemon: clients that lost the earlier one try again every 2 s at the latest */
export const AUTO_REMOVE_LINGER_ADOPTED_MS = 5_000;
/** ms that open readers of its output can hold up the removal */
export const AUTO_REMOVE_HOLD_MS = 30_000;
/** exits of removed machines that `wait` still knows, and for how many ms */
export const REMOVED_EXITS_KEPT = 1024;
export const REMOVED_EXITS_MS = 60_000;

/** events read from the store at once */
export const EVENTS_PAGE = 500;
/** clients that wait, follow logs or follow events, of one machine each */
export const WAITERS_PER_MACHINE = 256;
/** clients that follow events */
export const EVENT_FOLLOWERS = 256;

/** tries to find a free made-up name before digits are added */
export const NAME_TRIES = 8;
/** a tmpfs without a size takes at most half the memory, as the kernel does */
export const TMPFS_DEFAULT_PART = 0.5;
/** largest value of a port, for messages */
export const PORT_MAX = 65_535;
/** exit code of a machine whose engine died without leaving one */
export const EXIT_ENGINE_DIED = 125;
/** exit code after SIGKILL, as a shell reports it */
export const EXIT_KILLED = 137;
/** exit code of a start that was called off, as after SIGTERM */
export const EXIT_CANCELLED = 143;
export const SIGKILL = 9;
export const SIGTERM = 15;

/** what a workload gets when neither image nor spec say */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
export const DEFAULT_WORKDIR = "/";

/** guest memory comes in whole MiB */
export const MEMORY_GRAIN_BYTES = MIB;
/** size of the guest's memory file system for secrets: as many and large as a machine may have, and their inodes */
export const SECRETS_MOUNT_BYTES = 4 * MIB;
