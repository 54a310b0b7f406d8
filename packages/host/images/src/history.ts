import { readFile, stat } from "node:fs/promises";
import type { ImageHistory } from "@isthmus/contract";
import type { ImageCatalog } from "./catalog.ts";
import { badImage } from "./failures.ts";
import { blobPath } from "./image-index.ts";
import { arrayField, field, isObject, type JsonObject, parseObject, stringField } from "./json.ts";
import { parseManifest } from "./manifest.ts";

/** The steps of an image's config, newest first, each with the layer that it made. Layers that no step tells of are steps of their own. Throws IMAGE_NOT_FOUND. */
export async function readHistory(catalog: ImageCatalog, ref: string): Promise<readonly ImageHistory[]> {
  const { digest } = catalog.find(ref);
  const manifest = parseManifest(await readFile(blobPath(catalog.folder, digest)), "");
  if (manifest.kind === "index") throw badImage("its manifest is an index");
  const config = parseObject(await readFile(blobPath(catalog.folder, manifest.config.digest)), "the image config");
  const layers = [...manifest.layers];
  const steps: ImageHistory[] = [];
  for (const told of arrayField(config, "history", "the image config").filter(isObject)) {
    const layer = field(told, "empty_layer") === true ? undefined : layers.shift();
    steps.push(step(told, layer?.digest, layer === undefined ? 0 : await sizeOf(catalog, layer.digest)));
  }
  for (const { digest: untold } of layers) steps.push(step({}, untold, await sizeOf(catalog, untold)));
  return steps.reverse();
}

function step(told: JsonObject, layer: string | undefined, sizeBytes: number): ImageHistory {
  const createdAt = stringField(told, "created");
  return {
    ...(createdAt === undefined ? {} : { createdAt }),
    createdBy: stringField(told, "created_by") ?? "",
    comment: stringField(told, "comment") ?? "",
    ...(layer === undefined ? {} : { layer }),
    sizeBytes,
  };
}

async function sizeOf(catalog: ImageCatalog, digest: string): Promise<number> {
  return (await stat(blobPath(catalog.folder, digest))).size;
}
