import { hasCode } from "@isthmus/contract";
import type { ImageStore, Log } from "@isthmus/core";

const BUILT_IN_REFS: readonly string[] = ["busybox", "busybox:latest"];

/**
 * The image store while the built-in image is still being made: the daemon answers at once, and only a request that needs the image waits for it. When it
 * cannot be made the store works without it.
 */
export function withBuiltIn<Images extends ImageStore>(images: Images, make: (images: Images) => Promise<unknown>, log: Log): ImageStore {
  let made = false;
  const making = once().finally(() => {
    made = true;
  });
  async function once(): Promise<void> {
    await make(images).catch((error: unknown) => log.warn({ err: error }, "the built-in image cannot be made"));
  }
  return {
    async resolve(ref) {
      try {
        return await images.resolve(ref);
      } catch (error) {
        if (!hasCode(error, "IMAGE_NOT_FOUND") || (made && !BUILT_IN_REFS.includes(ref))) throw error;
        // Made before, it was removed since by somebody, and is wanted again.
        await (made ? once() : making);
        return await images.resolve(ref);
      }
    },
    async list() {
      await making;
      return await images.list();
    },
    importTar: (archive, options) => images.importTar(archive, options),
    loadArchive: (archive, options) => images.loadArchive(archive, options),
    pull: (ref, options) => images.pull(ref, options),
    push: (ref, options) => images.push(ref, options),
    save: (refs) => images.save(refs),
    history: (ref) => images.history(ref),
    async prune(options) {
      await making;
      return await images.prune(options);
    },
    async tag(source, target) {
      await making;
      return await images.tag(source, target);
    },
    async remove(ref, options) {
      await making;
      return await images.remove(ref, options);
    },
  };
}
