import { hasCode, type Image, IsthmusError } from "@isthmus/contract";
import type { ImageStore } from "@isthmus/core";
import type { ImageCatalog } from "./catalog.ts";

/** Removes what has no tag, or with `all` what is not built in, unless somebody uses it. */
export async function pruneImages(
  catalog: ImageCatalog,
  { all = false, inUse }: Parameters<ImageStore["prune"]>[0],
): ReturnType<ImageStore["prune"]> {
  const deleted: Image[] = [];
  let freedBytes = 0;
  const mayGo = (image: Image): boolean => image.tags.length === 0 || (all && !image.builtIn);
  for (const image of catalog.list()) {
    if (!mayGo(image)) continue;
    try {
      const removal = await catalog.remove({ digest: image.digest }, (digest) => {
        const holder = inUse(digest);
        // It may have got a tag, or a machine, since it was listed.
        if (holder !== undefined || !mayGo(catalog.image(digest)))
          throw new IsthmusError("IMAGE_IN_USE", { ref: digest, holder: holder ?? "" });
      });
      freedBytes += removal.freedBytes;
      deleted.push(image);
    } catch (error) {
      if (!hasCode(error, "IMAGE_IN_USE", "IMAGE_NOT_FOUND")) throw error;
    }
  }
  return { deleted, freedBytes };
}
