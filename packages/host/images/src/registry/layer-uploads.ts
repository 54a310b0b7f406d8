import { createReadStream } from "node:fs";
import { hasCode, IsthmusError, type Progress } from "@isthmus/contract";
import { streaming } from "../config.ts";
import type { Descriptor } from "../manifest.ts";
import { hexOf } from "../reference.ts";
import type { HttpAnswer } from "./http.ts";
import { ITEM_CHARS, layerProgress } from "./layer-progress.ts";
import type { RegistryClient } from "./registry-client.ts";

export interface LayerUploadsOptions {
  readonly client: RegistryClient;
  readonly pathOf: (digest: string) => string;
  /** blob → another repository of the registry that has it */
  readonly mounts: ReadonlyMap<string, string>;
  readonly onProgress: (progress: Progress) => void;
}

/** The blobs of one image on their way to its repository, which takes what it can from other repositories of its registry (distribution-spec, "Mounting"). */
export class LayerUploads {
  readonly #options: LayerUploadsOptions;
  /** repositories that the account or the registry lets nothing be taken from */
  readonly #refused = new Set<string>();

  constructor(options: LayerUploadsOptions) {
    this.#options = options;
  }

  /** A few at a time; the first failure ends all. */
  async sendAll(blobs: readonly Descriptor[]): Promise<void> {
    const queue = new Map(blobs.map((blob) => [blob.digest, blob])).values();
    const worker = async (): Promise<void> => {
      for (const blob of queue) await this.#send(blob);
    };
    await Promise.all(Array.from({ length: this.#options.client.options.limits.parallelLayers }, worker));
  }

  async #send(blob: Descriptor): Promise<void> {
    const { client, onProgress } = this.#options;
    const { digest, sizeBytes } = blob;
    const there = await client.request(`blobs/${digest}`, { method: "HEAD" }, [200, 404]);
    there.body.destroy();
    const source = this.#options.mounts.get(digest);
    const mounted = there.status === 404 && (await client.retrying(async () => await this.#upload(blob, source)));
    const step = there.status === 200 ? "present" : mounted ? "mounted" : "pushed";
    const from = mounted ? { message: `from ${source}` } : {};
    onProgress({ step, item: itemOf(digest), ...from, doneBytes: sizeBytes, totalBytes: sizeBytes, percent: 100 });
  }

  /** True when the blob was mounted and nothing was sent. */
  async #upload({ digest, sizeBytes }: Descriptor, source: string | undefined): Promise<boolean> {
    const { client, pathOf, onProgress } = this.#options;
    const begun = await this.#begin(digest, source);
    begun.body.resume();
    if (begun.status === 201) return true;
    const location = uploadAddress(begun.headers.location, begun.url, client.registry);
    location.searchParams.set("digest", digest);
    const onBytes = layerProgress(onProgress, "upload", itemOf(digest), sizeBytes);
    const body = () => {
      let doneBytes = 0;
      return createReadStream(pathOf(digest), { highWaterMark: streaming.chunkBytes }).on("data", (chunk) => {
        doneBytes += chunk.length;
        onBytes(doneBytes);
      });
    };
    const headers = { "content-type": "application/octet-stream", "content-length": sizeBytes };
    const put = { method: "PUT", headers, body, idleMs: client.options.limits.uploadIdleMs } as const;
    (await client.ask(location, put, [201, 204])).body.resume();
    return false;
  }

  /** 201 when the blob is there now, 202 with an upload's address. A mount that is refused is no failure: what is wrong with the upload itself shows without it. */
  async #begin(digest: string, source: string | undefined): Promise<HttpAnswer> {
    const { client } = this.#options;
    const post = { method: "POST", headers: { "content-length": 0 } } as const;
    if (source !== undefined && !this.#refused.has(source)) {
      const url = await client.url("blobs/uploads/");
      url.search = new URLSearchParams({ mount: digest, from: source }).toString();
      try {
        return await client.ask(url, post, [201, 202]);
      } catch (error) {
        if (!hasCode(error, "REGISTRY_DENIED", "REGISTRY_NO_IMAGE", "REGISTRY_FAILED", "REGISTRY_BUSY")) throw error;
        this.#refused.add(source);
      }
    }
    return await client.ask(await client.url("blobs/uploads/"), post, [202]);
  }
}

function itemOf(digest: string): string {
  return hexOf(digest).slice(0, ITEM_CHARS);
}

function uploadAddress(location: string | undefined, from: URL, registry: string): URL {
  const url = location !== undefined && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== from.protocol))
    throw new IsthmusError("REGISTRY_FAILED", { registry, reason: "it names no address to send a layer to" });
  return url;
}
