import { GIB, MIB } from "@isthmus/contract";

/** Oldest QEMU whose microvm machine and stream handling are known to work. */
export const QEMU_MIN_VERSION = [7, 2] as const;
/** Oldest Node that runs TypeScript directly and has node:sqlite without a flag. */
export const NODE_MIN_VERSION = [22, 18] as const;
/** Free space under the data folder below which images and disks will soon not fit. */
export const DISK_FREE_WARN_BYTES = 5 * GIB;
export const DISK_FREE_ERROR_BYTES = 512 * MIB;
/** Memory left for machines below which hardly one starts. */
export const MEMORY_FREE_WARN_BYTES = 512 * MIB;
/** Open files that some hundred machines need. */
export const OPEN_FILES_WARN = 4096;
/** ms that asking a program for its version may take */
export const PROGRAM_DEADLINE_MS = 10_000;
/** ms that a check of the store waits for its writer */
export const DATABASE_WAIT_MS = 2_000;
