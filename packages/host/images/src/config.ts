import { GIB, KIB, MIB } from "@isthmus/contract";

/** Limits on what an image may be. Units are in the names; hitting one is BAD_IMAGE unless said otherwise. */
export interface ImageLimits {
  /** received archive, before decompression; TOO_LARGE */
  readonly archiveBytes: number;
  /** decompressed layers of one image, together */
  readonly contentBytes: number;
  /** headers in all layers of one image, together */
  readonly entries: number;
  /** decompressed : compressed, measured once `ratioFreeBytes` are through */
  readonly ratio: number;
  readonly ratioFreeBytes: number;
  readonly layers: number;
  /** images in one archive */
  readonly images: number;
  /** entries of the outer archive that `loadArchive` takes */
  readonly archiveEntries: number;
  /** what must have come of a root file system before packing begins beside the receiving */
  readonly earlyBytes: number;
}

export const imageLimits: ImageLimits = {
  archiveBytes: 64 * GIB,
  contentBytes: 64 * GIB,
  entries: 1_250_000,
  ratio: 100,
  ratioFreeBytes: 256 * MIB,
  layers: 512,
  images: 256,
  archiveEntries: 20_000,
  earlyBytes: 4 * MIB,
};

/** Limits of the tar format as read here. */
export const tarLimits = {
  blockBytes: 512,
  /** one PAX header with all its records */
  paxBytes: 1 * MIB,
  /** one path, GNU long name or PAX path (Linux's PATH_MAX, without its NUL) */
  pathBytes: 4095,
  /** one component (Linux's NAME_MAX) */
  nameBytes: 255,
  depth: 256,
  /** symbolic links followed while one parent is looked up (Linux's MAXSYMLINKS) */
  symlinkHops: 40,
  /** one extended attribute's value (Linux's XATTR_SIZE_MAX) */
  xattrValueBytes: 64 * KIB,
  xattrsPerFile: 64,
  /** distinct owners and groups: what squashfs can number, less the root folder's and the packer's */
  ids: 65_532,
} as const;

export const documentLimits = {
  /** manifest, index or config */
  jsonBytes: 4 * MIB,
  /** an index inside an index inside … */
  indexDepth: 4,
  /** descriptors looked at in one archive */
  descriptors: 4096,
} as const;

export const packerLimits = {
  /** address space of the packer process */
  memoryBytes: 4 * GIB,
  /** what the packer may use as its caches */
  cacheBytes: 256 * MIB,
  cpuSeconds: 900,
  openFiles: 64,
  /** room for tables beside the content: fixed, and for each entry */
  outputExtraBytes: 64 * MIB,
  outputBytesPerEntry: 1 * KIB,
  stderrBytes: 16 * KIB,
} as const;

/** How rootfs images are packed; the figures behind it are in docs/adr/0002-rootfs-format.md. */
export const packing = {
  compressor: "lz4",
  blockBytes: 128 * KIB,
  /** nobody and nogroup on Debian: whom the packer becomes when the daemon is root */
  uid: 65_534,
  gid: 65_534,
} as const;

export const streaming = {
  /** pieces in which file content goes to the packer, and in which spools are read back */
  chunkBytes: 256 * KIB,
  /** bytes that may wait for the disk, and for the packer */
  waitingBytes: 1 * MIB,
  /** pieces below this are joined before they go to the packer */
  smallBytes: 16 * KIB,
  /** smallest step of bytes between two progress reports */
  progressBytes: 8 * MIB,
} as const;

export const referenceLimits = {
  chars: 255,
  tagChars: 128,
  /** shortest digest prefix that names an image */
  digestPrefixChars: 6,
} as const;
