/** Names, limits and defaults of guest kernels. Units are in the names. */

/** Metapackage whose one dependency is Debian's current kernel for virtual machines. */
export const DEBIAN_KERNEL_METAPACKAGE = "linux-image-cloud-amd64";
/** The source that guest/kernel/microvm.config was written for; elsewhere what the metapackage names. */
export const SOURCE_PACKAGE = "linux-source-6.1";
export const SOURCE_METAPACKAGE = "linux-source";

/**
 * Modules that a guest loads when its kernel has them apart, in an order that suits the agent; what they depend on comes before them.
 * A guest cannot do without the `needed` ones.
 */
export const wantedModules: readonly { readonly name: string; readonly needed: boolean }[] = [
  { name: "virtio_mmio", needed: true },
  { name: "virtio_pci", needed: true },
  { name: "virtio_blk", needed: true },
  { name: "virtio_console", needed: true },
  { name: "virtio_net", needed: true },
  { name: "virtio_rng", needed: false },
  { name: "virtio_balloon", needed: false },
  { name: "squashfs", needed: true },
  { name: "crc32c_generic", needed: false },
  { name: "erofs", needed: false },
  { name: "ext4", needed: true },
  { name: "overlay", needed: true },
  { name: "virtiofs", needed: false },
];

/** Grows when `wantedModules` do: a kernel that was fetched before lacks what came since, and is fetched again when that is asked for. */
export const MODULES_LAYOUT = 2;

/** Grows when the layout of the initramfs changes, so that cached ones are made anew. */
export const INITRAMFS_LAYOUT = 2;
export const INITRAMFS_MAX_BYTES = 64 * 1024 * 1024;
/** Initramfs files that stay: the one in use, and those of the agents and kernels before it. */
export const INITRAMFS_KEPT = 4;
/** Kernels of one source that stay. */
export const KERNELS_KEPT = 3;
/** A half-written file older than this belongs to nobody. */
export const STALE_AFTER_MS = 24 * 3_600_000;

export const APT_QUERY_DEADLINE_MS = 60_000;
export const APT_DOWNLOAD_DEADLINE_MS = 30 * 60_000;
export const UNPACK_DEADLINE_MS = 20 * 60_000;
export const BUILD_DEADLINE_MS = 4 * 3_600_000;
export const PROBE_DEADLINE_MS = 10_000;
/** Between SIGTERM and SIGKILL to a program that was cancelled or is too late. */
export const PROGRAM_KILL_AFTER_MS = 3_000;
/** Output of a program kept for messages and parsing. */
export const PROGRAM_OUTPUT_BYTES = 256 * 1024;
export const PROGRAM_LINE_CHARS = 4096;
/** How often the size of a download is looked at. */
export const DOWNLOAD_POLL_MS = 500;

/** Unpacked source and objects take about 1.7 GiB. */
export const BUILD_SPACE_BYTES = 3 * 1024 * 1024 * 1024;
/** Lines that make prints for one build of the fragment with 6.1; only the progress depends on it. */
export const BUILD_STEPS = 2080;
export const BUILD_NICENESS = 19;
/** What errors call it. */
export const BUILD_NAME = "building a kernel (3 GiB)";
/** How a program of the build tells of a full disk, in the locale that all of them get. */
export const NO_SPACE = "No space left on device";
