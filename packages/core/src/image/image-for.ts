import { hasCode, type Image, type PullPolicy } from "@isthmus/contract";
import type { ImageStore } from "./ports.ts";

export interface ImageForOptions {
  /** default never */
  readonly pull?: PullPolicy;
  readonly signal?: AbortSignal;
}

/** The image of a new machine, asked of its registry when `pull` says so. Throws what `ImageStore.resolve` and `ImageStore.pull` throw. */
export async function imageFor(
  images: Pick<ImageStore, "resolve"> & Partial<Pick<ImageStore, "pull">>,
  ref: string,
  { pull = "never", signal }: ImageForOptions,
): Promise<Image & { readonly rootfsPath: string }> {
  if (images.pull === undefined) return await images.resolve(ref);
  if (pull === "always") return await images.resolve((await images.pull(ref, { signal })).digest);
  try {
    return await images.resolve(ref);
  } catch (error) {
    if (pull === "never" || !hasCode(error, "IMAGE_NOT_FOUND")) throw error;
    const { digest } = await images.pull(ref, { signal }).catch((cause: unknown) => {
      // A digest alone is of no registry: that there is no such image is all there is to say.
      throw hasCode(cause, "INVALID_IMAGE_REF") ? error : cause;
    });
    return await images.resolve(digest);
  }
}
