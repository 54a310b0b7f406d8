import { MIB } from "@isthmus/contract";

/** machines on one host that hold a lease, whatever its size */
export const HELD_MAX = 10_000;
/** the smallest machine, by which a host's default number of machines is reckoned, bytes of its guest */
export const SMALLEST_GUEST_BYTES = 64 * MIB;
/** what an engine process needs beside the guest's memory until something was measured, bytes */
export const OVERHEAD_BYTES = { microvm: 48 * MIB, vm: 96 * MIB, container: 8 * MIB } as const;
/** memory that is never given to machines: the daemon's and the host's own, bytes */
export const HOST_RESERVE_BYTES = 256 * MIB;
/** small hosts keep no more than this part of their memory back */
export const HOST_RESERVE_PART = 0.1;
/** promised memory over the host's; 1 promises no more than there is */
export const MEMORY_OVERCOMMIT = 1;
/** promised vCPUs over the host's: an idle guest costs next to nothing, and a busy host is held up by its pressure, not by this */
export const CPU_OVERCOMMIT = 256;
/** promised disk over what is free: disks are sparse */
export const DISK_OVERCOMMIT = 256;
/** published ports of all machines, out of 65,535 less the privileged and the ephemeral ones */
export const PORTS_MAX = 30_000;
/** processes and threads of one engine beside one for each vCPU */
export const PROCESSES_PER_MACHINE = 4;
/** descriptors that one machine costs the daemon */
export const DESCRIPTORS_PER_MACHINE = 6;
/** what the daemon keeps of both for itself */
export const PROCESSES_RESERVE = 64;
export const DESCRIPTORS_RESERVE = 128;
/** an unmeasured machine is expected to use what measured ones of its class do, times this */
export const EXPECTED_MARGIN = 1.25;
/** and never less than this part of what it was promised */
export const EXPECTED_PART_MIN = 0.1;

/** requests that wait; each costs the host's memory too: one for so many bytes, and at most so many */
export const QUEUE_LENGTH_MAX = 10_000;
export const QUEUE_LENGTH_MIN = 256;
export const QUEUE_BYTES_PER_PLACE = 4 * MIB;
/** a tenant may fill so many places for each one that is still free: a flood of one leaves room for the others */
export const QUEUE_TENANT_FACTOR = 4;
/** ms that a request waits at most, whatever for */
export const QUEUE_AGE_MS = 30 * 60_000;
/** ms of waiting that one step of priority is worth */
export const PRIORITY_STEP_MS = 60_000;
/** a start counts as one up to this size, beyond it as many as it is times larger */
export const COST_MEMORY_BYTES = 512 * MIB;
export const COST_CPUS = 4;
/** tenants whose place in the turns is remembered while they have nothing waiting */
export const IDLE_TENANTS_MAX = 4096;
/** weights that a quota may give */
export const WEIGHT_MIN = 0.001;
export const WEIGHT_MAX = 1_000_000;

/** ms in which requests that come behind others are gathered to be looked at together */
export const GATHER_MS = 20;
/** shapes of requests looked at in one go; the rest after the daemon has answered others */
export const SCAN_MAX = 256;
/** ms between two looks while requests wait for capacity: what is free also changes without us */
export const RECHECK_MS = 1_000;
/** ms that others may pass a request that does not fit, before what it needs is set aside */
export const HOLD_AFTER_MS = 10_000;
/** ms of the first such hold; each further one is twice as long, with a rest of the same length after each */
export const HOLD_FIRST_MS = 10_000;

/** starts in flight per CPU, with which an adaptive limiter begins and a static one stays */
export const STARTS_PER_CPU = 1;
/** starts in flight at most, per CPU */
export const STARTS_PER_CPU_MAX = 64;
/** samples that decide about one step of the limiter */
export const LIMITER_SAMPLES_MIN = 8;
/** starts that wait on one another within the host: below `alpha` one more is let in, above `beta` one less, times log10(limit) + 1 */
export const LIMITER_ALPHA = 1;
export const LIMITER_BETA = 3;
/** part by which the least latency known is raised with each step, so that what is no longer true is forgotten */
export const BASELINE_DRIFT = 0.02;
/** kinds of starts whose latencies are told apart */
export const KINDS_MAX = 32;
/** part of the limit that stays after a step back */
export const LIMITER_BACKOFF = 0.7;
/** a failed start that took so many times the least latency was one too many */
export const OVERLOADED_LATENCY = 4;
/** per cent of time in which some process waited for memory, and in which all did: above it the limiter steps back */
export const MEMORY_SOME_MAX = 20;
export const MEMORY_FULL_MAX = 5;
/** per cent of time in which some process waited for a CPU: above it the limiter does not grow */
export const CPU_SOME_MAX = 95;
/** ms between two steps back for pressure: its figures are means over 10 s */
export const PRESSURE_STEP_MS = 2_000;
/** weight of the newest of the times from grant to grant */
export const PACE_WEIGHT = 0.05;

/** machines created per second and CPU, and seconds of it that may come at once */
export const RATE_PER_CPU = 50;
export const RATE_BURST_S = 10;

/** the bounds of Retry-After, ms */
export const RETRY_MIN_MS = 1_000;
export const RETRY_MAX_MS = 60_000;
