import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { IsthmusError } from "@isthmus/contract";
import type { BuiltImage } from "./catalog.ts";
import type { ImageLimits } from "./config.ts";
import { syncFile } from "./durable.ts";
import type { EarlyPack } from "./early-pack.ts";
import type { ParsedConfig } from "./image-config.ts";
import { checkDiffIds, dropPlain, type MergedLayers, mergeLayers } from "./layers.ts";
import { digestOf } from "./manifest.ts";
import type { PackedTree, Packer } from "./packer.ts";
import { hostPlatform, type PlannedImage } from "./planned-image.ts";
import { measure, rootfsTar } from "./rootfs-tar.ts";
import type { Spooled, SpoolOptions } from "./spool.ts";
import type { Workspace } from "./workspace.ts";

export interface BuilderOptions extends SpoolOptions {
  readonly packer: Packer;
  readonly limits: ImageLimits;
  readonly workspace: Workspace;
  /** has packed what was merged, perhaps */
  readonly early?: EarlyPack | undefined;
}

export interface ImageParts {
  readonly manifest: Buffer;
  readonly configBytes: Buffer;
  readonly config: ParsedConfig;
  readonly layers: readonly Spooled[];
}

/** Packs merged layers and gathers all files of the image in the workspace. */
export async function buildImage(parts: ImageParts, merged: MergedLayers, options: BuilderOptions): Promise<BuiltImage> {
  const { packer, workspace, report, early } = options;
  const tree = { ...measure(merged.tree), root: merged.tree.root.inode };
  // A head start for the disk while the packer works; the commit makes sure.
  const synced = Promise.all(parts.layers.map((layer) => syncFile(layer.path)));
  synced.catch(() => undefined);
  const path = (await early?.finish(tree)) ?? (await packMerged(merged, tree, options));
  await synced;
  report("pack", tree.contentBytes, tree.contentBytes);
  await dropPlain(merged.plain);
  const digest = digestOf(parts.manifest);
  const configDigest = digestOf(parts.configBytes);
  return {
    record: {
      digest,
      architecture: parts.config.architecture || hostPlatform().architecture,
      os: parts.config.os || "linux",
      sizeBytes: tree.contentBytes,
      rootfsBytes: (await stat(path)).size,
      rootfsFormat: packer.format,
      layers: parts.layers.map((layer) => layer.digest),
      config: parts.config.config,
      blobs: [digest, configDigest, ...parts.layers.map((layer) => layer.digest)],
    },
    blobs: [
      { digest, path: await workspace.write("manifest", parts.manifest) },
      { digest: configDigest, path: await workspace.write("config", parts.configBytes) },
      ...parts.layers,
    ],
    rootfsPath: path,
  };
}

async function packMerged(merged: MergedLayers, tree: PackedTree, options: BuilderOptions): Promise<string> {
  let packed = 0;
  const onBytes = (bytes: number): void => {
    packed += bytes;
    options.report("pack", packed, tree.contentBytes);
  };
  const sources = merged.plain.map(({ path }) => path);
  const tar = Readable.from(rootfsTar(merged.tree, sources, onBytes), { objectMode: false });
  return await options.packer.pack({
    folder: options.workspace.path("packed"),
    tar,
    atMost: tree,
    tree: () => tree,
    signal: options.signal,
  });
}

/** Takes a planned image's layers out of its archive, checks every byte of them and builds. Throws IMAGE_DIGEST_MISMATCH, BAD_IMAGE. */
export async function buildPlanned(planned: PlannedImage, options: BuilderOptions): Promise<BuiltImage> {
  const layers: Spooled[] = [];
  const merged = await mergeLayers(stageLayers(planned, layers, options), { ...options, folder: options.workspace.folder });
  checkDiffIds(merged.plain, planned.config.diffIds);
  return await buildImage({ ...planned, layers }, merged, options);
}

/** Each layer once it is there and checked; it is also added to `staged`. */
async function* stageLayers(planned: PlannedImage, staged: Spooled[], options: BuilderOptions): AsyncGenerator<Spooled, void, undefined> {
  for (const [index, { digest }] of planned.layers.entries()) {
    const layer = await planned.stage(index, options.workspace.path(`layer-${index}`), options.signal);
    if (layer.digest !== digest) throw new IsthmusError("IMAGE_DIGEST_MISMATCH", { digest, actual: layer.digest });
    staged.push(layer);
    options.report("verify", index + 1, planned.layers.length);
    yield layer;
  }
}
