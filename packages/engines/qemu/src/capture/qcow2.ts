import { open } from "node:fs/promises";

/** docs/interop/qcow2.txt of QEMU */
const MAGIC = 0x51_46_49_fb;
const VERSION = 3;
const CLUSTER_BITS = 16;
const CLUSTER_BYTES = 2 ** CLUSTER_BITS;
const REFCOUNT_ORDER = 4;
const HEADER_BYTES = 104;
const BACKING_FORMAT = 0xe2_79_2a_ca;
/** what one entry of the first table stands for: a cluster of 8-byte entries, each for a cluster */
const L1_ENTRY_BYTES = (CLUSTER_BYTES / 8) * CLUSTER_BYTES;

export interface Backing {
  /** as it stands in the image: relative to the image's folder */
  readonly name: string;
  readonly format: "raw" | "qcow2";
}

/** The beginning of an image without a single data cluster: header, reference counts, first table. All of it fits a few clusters. */
export function emptyQcow2(sizeBytes: number, backing?: Backing): Buffer {
  const l1Entries = Math.max(1, Math.ceil(sizeBytes / L1_ENTRY_BYTES));
  const l1Clusters = Math.ceil((l1Entries * 8) / CLUSTER_BYTES);
  const [tableAt, blockAt, l1At] = [1, 2, 3].map((cluster) => cluster * CLUSTER_BYTES) as [number, number, number];
  const clusters = 3 + l1Clusters;
  const image = Buffer.alloc(clusters * CLUSTER_BYTES);
  image.writeUInt32BE(MAGIC, 0);
  image.writeUInt32BE(VERSION, 4);
  image.writeUInt32BE(CLUSTER_BITS, 20);
  image.writeBigUInt64BE(BigInt(sizeBytes), 24);
  image.writeUInt32BE(l1Entries, 36);
  image.writeBigUInt64BE(BigInt(l1At), 40);
  image.writeBigUInt64BE(BigInt(tableAt), 48);
  image.writeUInt32BE(1, 56);
  image.writeUInt32BE(REFCOUNT_ORDER, 96);
  image.writeUInt32BE(HEADER_BYTES, 100);
  if (backing !== undefined) writeBacking(image, backing);
  image.writeBigUInt64BE(BigInt(blockAt), tableAt);
  for (let cluster = 0; cluster < clusters; cluster += 1) image.writeUInt16BE(1, blockAt + 2 * cluster);
  return image;
}

function writeBacking(image: Buffer, { name, format }: Backing): void {
  const formatAt = HEADER_BYTES;
  image.writeUInt32BE(BACKING_FORMAT, formatAt);
  image.writeUInt32BE(format.length, formatAt + 4);
  image.write(format, formatAt + 8);
  // Extensions are padded to 8 bytes; one of type 0 ends them.
  const nameAt = formatAt + 8 + 8 + 8;
  image.writeBigUInt64BE(BigInt(nameAt), 8);
  image.writeUInt32BE(image.write(name, nameAt), 16);
}

/** A new disk image of `sizeBytes` that reads as zeroes, or as `backing` until it is written to. The file must not exist. */
export async function createQcow2(path: string, sizeBytes: number, backing?: Backing): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(emptyQcow2(sizeBytes, backing));
  } finally {
    await file.close();
  }
}
