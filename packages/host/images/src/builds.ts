import type { Image } from "@isthmus/contract";
import { hasCode, IsthmusError } from "@isthmus/contract";
import type { BuiltImage, ImageCatalog, ImageNames } from "./catalog.ts";

export interface BuildRequest extends ImageNames {
  readonly digest: string;
  readonly signal?: AbortSignal;
  readonly build: () => Promise<BuiltImage>;
}

/** Makes each image once, however many ask for it at the same time. */
export class Builds {
  readonly #catalog: ImageCatalog;
  readonly #running = new Map<string, Promise<Image>>();

  constructor(catalog: ImageCatalog) {
    this.#catalog = catalog;
  }

  async once(request: BuildRequest): Promise<Image> {
    for (;;) {
      const running = this.#running.get(request.digest);
      if (running !== undefined) {
        await this.#join(running, request.signal);
        continue;
      }
      if (await this.#catalog.isIntact(request.digest)) {
        const image = await this.#catalog.addTags(request.digest, request.tags, request.builtIn, request.repoDigests);
        if (image !== undefined) return image;
        continue;
      }
      // Another may have begun while the disk was looked at.
      if (this.#running.has(request.digest)) continue;
      return await this.#begin(request);
    }
  }

  async #begin(request: BuildRequest): Promise<Image> {
    const building = request.build().then(async (built) => await this.#catalog.commit(built, request));
    this.#running.set(request.digest, building);
    try {
      return await building;
    } finally {
      this.#running.delete(request.digest);
    }
  }

  /** Waits for another's build. That it was cancelled there is no reason to fail here: the caller looks again and builds by itself. */
  async #join(running: Promise<Image>, signal: AbortSignal | undefined): Promise<void> {
    const cancelled = new IsthmusError("CANCELLED", { what: "the import" });
    if (signal?.aborted === true) throw cancelled;
    let stop = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      const onAbort = (): void => reject(cancelled);
      signal?.addEventListener("abort", onAbort, { once: true });
      stop = () => signal?.removeEventListener("abort", onAbort);
    });
    try {
      await Promise.race([running, aborted]);
    } catch (error) {
      if (error === cancelled || !hasCode(error, "CANCELLED")) throw error;
    } finally {
      stop();
    }
  }
}
