import process from "node:process";
import { MIB } from "@isthmus/contract";

/** What every machine of this suite is: one CPU, 128 MiB, the built-in busybox. */
export const SPEC = { image: "busybox", cpus: 1, memoryBytes: 128 * MIB, stopTimeoutMs: 0 } as const;
export const HELLO = ["sh", "-c", "echo hi; exec sleep 1000"] as const;
export const IDLE = ["sleep", "100000"] as const;
/** Work that touches pages which no start has touched: programs, folders, arithmetic. */
export const USEFUL = ["sh", "-c", "ls -lR /bin | md5sum"] as const;

/** Rounds of a race for each round that is asked for: a p99 of seven samples says nothing. */
export const RACE_FACTOR = 6;
/** ms that a pool may take to fill between two starts */
export const POOL_DEADLINE_MS = 20_000;
export const POOL_POLL_MS = 50;

export const aims = {
  pooledMs: 100,
  clonedMs: 200,
  againstRaw: 1.3,
  againstPodman: 0.5,
  burstAgainstRaw: 1.2,
  callMs: 100,
  pssMib: 20,
  idleMsPerSecond: 1,
  suspendMs: 300,
  resumeMs: 250,
  pausedMs: 50,
} as const;

/** 500 machines of 128 MiB are promised four times what this class of machine has */
export const MEMORY_OVERCOMMIT = 6;

/** starts asked for at once */
export const BURST = 100;
/** what the best concurrency of raw clones is looked for among, and with how many clones each */
export const RAW_CONCURRENCY = [1, 2, 4, 8] as const;
export const RAW_SEARCH = 24;
/** ms between two calls of the daemon during a burst */
export const CALL_EVERY_MS = 50;

export const IDLE_MACHINES = Number(process.env.IDLE_MACHINES ?? 50);
/** of raw clones, for the floor */
export const IDLE_RAW = 20;
/** numbers of machines at which memory is looked at, of idle ones while they are ended */
export const MEMORY_STEPS = [1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 250, 300, 350, 400, 450, 500] as const;
/** ms until what a start leaves behind is over and an idle guest has given back its code, and for how long idle machines are then watched */
export const SETTLE_MS = 45_000;
export const WATCH_MS = 30_000;
/** USER_HZ, fixed by the Linux ABI on x86 */
export const TICK_MS = 10;

export const MANY_MACHINES = Number(process.env.MACHINES ?? 500);
export const MANY_STARTS_IN_FLIGHT = 4;
export const MANY_EXECS_IN_FLIGHT = 4;

const CURVE_MAX = Number(process.env.IN_FLIGHT ?? 256);
export const CURVE_LEVELS = [1, 2, 4, 8, 16, 32, 64, 128, 256].filter((level) => level <= CURVE_MAX);
/** starts at each level, or as many as are in flight there */
export const CURVE_STARTS = 16;
/** above it raw clones, each a process of this one, only get slower */
export const CURVE_RAW_MAX = 16;
