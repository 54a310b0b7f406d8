/** folder of all groups of ours, below the parent */
export const GROUP_FOLDER = "isthmus";
/** how often, and how many ms apart, a group is removed that the kernel does not let go */
export const REMOVE_TRIES = 50;
export const REMOVE_RETRY_MS = 20;
/** leaf that the daemon moves to when it stands in the way of its own machines' groups */
export const DAEMON_LEAF = "isthmus-daemon";
/** a weight of 100 in cgroup v1's cpu.shares */
export const SHARES_DEFAULT = 1024;
export const SHARES_MIN = 2;
export const SHARES_MAX = 262_144;
/** of blkio.bfq.weight and io.bfq.weight */
export const BFQ_WEIGHT_MAX = 1000;
export const WEIGHT_DEFAULT = 100;
/** microseconds in which a limit on processor time is counted */
export const CPU_PERIOD_US = 100_000;
/** the least that the kernel takes, microseconds */
export const CPU_QUOTA_MIN_US = 1_000;
