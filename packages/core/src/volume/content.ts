import { randomBytes } from "node:crypto";
import { PassThrough, type Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { IsthmusError, MIB } from "@isthmus/contract";
import { type Context, waitingSignal } from "../machine/context.ts";
import { endLook, type Look, lookInto } from "../machine/reading/look.ts";
import type { VolumeCallOptions } from "./actions.ts";
import { checkVolume } from "./claims.ts";
import type { PlannedVolume, StoredVolume } from "./ports.ts";
import { IMPORT, type NewVolume, type Volumes } from "./volumes.ts";

/** A guest reads and writes volumes, never the host: what is in them is their users'. This is the one that does it for a volume alone. */
const LOOK_IMAGE = "busybox";
const LOOK_MEMORY_BYTES = 128 * MIB;
/** where it has the volume */
const LOOK_PATH = "/mnt";
const ID_BYTES = 8;

/** See `VolumeActions.export`. */
export async function exportVolume(context: Context, volume: StoredVolume, options: VolumeCallOptions): Promise<Readable> {
  const { name } = volume;
  checkVolume(context, volume, false);
  const copied = context.looks.beginCopy(options.tenant);
  const done = context.looks.begin(name, { what: "an export", writes: false });
  const waiting = waitingSignal(context, options.signal, `the export of ${name}`);
  let look: Look | undefined;
  const end = async () => {
    try {
      if (look !== undefined) await endLook(context, look);
    } catch (error) {
      // Nobody waits for it, and what is in the archive is whole. The next daemon ends what is left.
      context.log.error({ volume: name, err: error }, "a guest that read a volume could not be ended");
    } finally {
      waiting.done();
      done();
      copied();
    }
  };
  try {
    look = await lookAtVolume(context, volume, true, waiting.signal);
    const archive = await look.live.getArchive(`${LOOK_PATH}/.`, waiting.signal);
    const out = new PassThrough();
    archive.on("error", (error) => out.destroy(error));
    archive.pipe(out);
    finished(out).then(end, async () => {
      archive.destroy();
      await end();
    });
    return out;
  } catch (error) {
    await end();
    throw error;
  }
}

/** See `VolumeActions.import`. Until all is in it the volume is a leftover of nobody's, so that a crash leaves none. */
export async function importVolume(
  context: Context,
  volumes: Volumes,
  wanted: Omit<NewVolume, "goesWith">,
  archive: Readable,
  options: VolumeCallOptions,
): Promise<StoredVolume> {
  const copied = context.looks.beginCopy(options.tenant);
  try {
    return await importInto(context, volumes, await volumes.create({ ...wanted, goesWith: IMPORT }), archive, options);
  } finally {
    copied();
  }
}

async function importInto(
  context: Context,
  volumes: Volumes,
  volume: StoredVolume,
  archive: Readable,
  options: VolumeCallOptions,
): Promise<StoredVolume> {
  const { name } = volume;
  const done = context.looks.begin(name, { what: "its import", writes: true });
  const waiting = waitingSignal(context, options.signal, `the import of ${name}`);
  try {
    const look = await lookAtVolume(context, volume, false, waiting.signal);
    try {
      await look.live.putArchive(LOOK_PATH, archive, { signal: waiting.signal, fill: true });
    } finally {
      await endLook(context, look);
    }
    await volumes.change(name, { blank: undefined, goesWith: undefined });
    return volumes.get(name);
  } catch (error) {
    archive.destroy();
    // The first error is the one to tell; a volume that stays is a leftover, which the next daemon removes.
    await volumes
      .remove(name)
      .catch((left: unknown) => context.log.warn({ volume: name, err: left }, "a volume whose import failed is left"));
    throw error;
  } finally {
    waiting.done();
    done();
  }
}

async function lookAtVolume(context: Context, volume: StoredVolume, readOnly: boolean, signal: AbortSignal): Promise<Look> {
  const { folders, volumes } = context;
  if (volumes === undefined) throw new IsthmusError("INTERNAL", { reason: "this daemon has no place for volumes" });
  const image = await context.images.resolve(LOOK_IMAGE);
  // What an earlier daemon left is ended by now: a look is no machine that its record would protect.
  await context.swept.promise;
  const id = randomBytes(ID_BYTES).toString("hex");
  await folders.create(id);
  try {
    if (readOnly) await folders.createVolumeOverlay(id, 0, volume.sizeBytes);
    const planned: PlannedVolume = {
      path: LOOK_PATH,
      diskPath: volumes.folders.diskPath(volume.name),
      ...(readOnly ? { overlayPath: folders.volumeOverlayPath(id, 0) } : {}),
    };
    const shape = { rootfsPath: image.rootfsPath, cpus: 1, memoryBytes: LOOK_MEMORY_BYTES, network: "none" as const };
    return await lookInto(context, { id, name: `volume ${volume.name}`, ...shape, volumes: [planned], ownFolder: true }, signal);
  } catch (error) {
    await folders.remove(id);
    throw error;
  }
}
