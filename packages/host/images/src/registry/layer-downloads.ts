import { link, rm, stat } from "node:fs/promises";
import { IsthmusError, type Progress } from "@isthmus/contract";
import type { Descriptor } from "../manifest.ts";
import { hexOf } from "../reference.ts";
import type { Spooled } from "../spool.ts";
import { downloadBlob } from "./blob-download.ts";
import { registryLimits } from "./config.ts";
import { ITEM_CHARS, layerProgress } from "./layer-progress.ts";
import type { RegistryClient } from "./registry-client.ts";
import { firstOf } from "./sources.ts";

export interface LayerDownloadsOptions {
  readonly layers: readonly Descriptor[];
  /** in the order in which they are asked */
  readonly sources: readonly RegistryClient[];
  /** where a blob would lie in the store */
  readonly stored: (digest: string) => string | undefined;
  readonly onProgress: (progress: Progress) => void;
}

/** The layers of one image, several at a time; a layer that the store has is not asked for again. */
export class LayerDownloads implements AsyncDisposable {
  readonly #options: LayerDownloadsOptions;
  readonly #results = new Map<string, Promise<Spooled>>();
  #waiting: (() => void)[] = [];
  #running = 0;
  #over = false;

  constructor(options: LayerDownloadsOptions) {
    this.#options = options;
  }

  /** Begins with all layers, each into the file that `pathOf` gives. */
  begin(pathOf: (index: number) => string): void {
    for (const [index, layer] of this.#options.layers.entries()) {
      if (this.#results.has(layer.digest)) continue;
      const result = this.#get(layer, pathOf(index));
      // Whoever takes the layer hears of it.
      result.catch(() => undefined);
      this.#results.set(layer.digest, result);
    }
  }

  /** Layer `index`, checked, once all were begun. A layer that comes twice is one file. */
  async take(index: number): Promise<Spooled> {
    const result = this.#results.get(this.#options.layers[index]?.digest ?? "");
    if (result === undefined) throw new IsthmusError("INTERNAL", { reason: `layer ${index} was not begun` });
    return await result;
  }

  /** Waits until nothing writes any more; abort the sources' signal before. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    for (const go of this.#waiting.splice(0)) go();
    await Promise.allSettled(this.#results.values());
  }

  async #get(layer: Descriptor, path: string): Promise<Spooled> {
    const item = hexOf(layer.digest).slice(0, ITEM_CHARS);
    const { onProgress } = this.#options;
    if (await this.#fromStore(layer, path)) {
      onProgress({ step: "present", item, doneBytes: layer.sizeBytes, totalBytes: layer.sizeBytes, percent: 100 });
      return { path, digest: layer.digest, sizeBytes: layer.sizeBytes };
    }
    onProgress({ step: "wait", item, doneBytes: 0, totalBytes: layer.sizeBytes, percent: 0 });
    await this.#turn();
    try {
      return await this.#download(layer, path, item);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#running >= registryLimits.parallelLayers && !this.#over) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }

  async #download(layer: Descriptor, path: string, item: string): Promise<Spooled> {
    const { sources, onProgress } = this.#options;
    const onBytes = layerProgress(onProgress, "download", item, layer.sizeBytes);
    const onPause = (message: string): void => onProgress({ step: "retry", item, message });
    return await firstOf(sources, async (client) => {
      await rm(path, { force: true });
      return await downloadBlob(client, layer, { path, onBytes, onPause });
    });
  }

  /** A link keeps the blob even when the image that it came with is removed meanwhile. */
  async #fromStore({ digest, sizeBytes }: Descriptor, path: string): Promise<boolean> {
    const stored = this.#options.stored(digest);
    if (stored === undefined) return false;
    try {
      await link(stored, path);
      if ((await stat(path)).size === sizeBytes) return true;
      await rm(path, { force: true });
      return false;
    } catch {
      return false;
    }
  }
}
