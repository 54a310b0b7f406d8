import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { ImageLimits } from "./config.ts";
import type { EarlyPack } from "./early-pack.ts";
import { badImage, throwIfCancelled } from "./failures.ts";
import { LayerMerge } from "./layer-merge.ts";
import type { RootTree } from "./root-tree.ts";
import { type Plain, receiveTar, type Spooled, type SpoolOptions, unpack } from "./spool.ts";
import { TarReader } from "./tar-reader.ts";

/** Layers read into one tree, with the files that its content lies in. */
export interface MergedLayers {
  readonly tree: RootTree;
  /** uncompressed layers, lowest first */
  readonly plain: readonly Plain[];
}

export interface MergeOptions extends SpoolOptions {
  readonly limits: ImageLimits;
  /** folder of ours for uncompressed layers */
  readonly folder: string;
}

/** Unpacks and merges layers as they come, lowest first. Throws BAD_IMAGE. */
export async function mergeLayers(layers: AsyncIterable<Spooled>, options: MergeOptions): Promise<MergedLayers> {
  const merge = new LayerMerge(options.limits.entries);
  const plain: Plain[] = [];
  let budgetBytes = options.limits.contentBytes;
  for await (const layer of layers) {
    throwIfCancelled(options.signal, "the import");
    const index = plain.length;
    merge.begin(index);
    const reader = new TarReader((entry) => void merge.apply(entry));
    const result = await unpack(layer, join(options.folder, `plain-${index}`), {
      ...options,
      budgetBytes,
      look: (chunk) => {
        reader.push(chunk);
        return undefined;
      },
    });
    reader.end();
    budgetBytes -= result.sizeBytes;
    plain.push(result);
  }
  return { tree: merge.tree, plain };
}

/** Receives an image's only layer, merging it as it comes, and packing it too when there is an `early`. Throws TOO_LARGE, BAD_IMAGE. */
export async function receiveLayer(
  archive: Readable,
  early: EarlyPack | undefined,
  options: MergeOptions,
): Promise<{ readonly layer: Spooled; readonly merged: MergedLayers }> {
  const { limits, folder } = options;
  const merge = new LayerMerge(limits.entries);
  merge.begin(0);
  const onContent = early === undefined ? undefined : (piece: Buffer) => early.content(piece);
  const reader = new TarReader((entry) => {
    const change = merge.apply(entry);
    early?.entry(change);
  }, onContent);
  const look = (chunk: Buffer): Promise<void> | undefined => {
    reader.push(chunk);
    return early?.flush();
  };
  const received = { ...options, budgetBytes: limits.contentBytes, look };
  const { given, plain } = await receiveTar(archive, join(folder, "layer-0"), join(folder, "plain-0"), received);
  reader.end();
  return { layer: given, merged: { tree: merge.tree, plain: [plain] } };
}

/** Throws BAD_IMAGE when a layer's content is not what the config says. */
export function checkDiffIds(plain: readonly Plain[], diffIds: readonly string[]): void {
  for (const [index, layer] of plain.entries())
    if (layer.digest !== diffIds[index]) throw badImage(`layer ${index + 1} unfolds to ${layer.digest}, its config says ${diffIds[index]}`);
}

/** Uncompressed copies are needed until the rootfs is packed, no longer. */
export async function dropPlain(plain: readonly Plain[]): Promise<void> {
  for (const { path, compressed } of plain) if (compressed) await rm(path, { force: true });
}
