import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { IsthmusError, type Progress } from "@isthmus/contract";
import type { RegistryOptions } from "@isthmus/core";
import type { ImageCatalog } from "../catalog.ts";
import { streaming } from "../config.ts";
import { imageFailure, throwIfCancelled } from "../failures.ts";
import { blobPath } from "../image-index.ts";
import { parseObject, stringField } from "../json.ts";
import { type Descriptor, mediaTypes, parseManifest } from "../manifest.ts";
import { clientsOf, type RegistryAccess } from "./access.ts";
import { ITEM_CHARS, layerProgress } from "./layer-progress.ts";
import type { RegistryClient } from "./registry-client.ts";
import { parseRemote } from "./remote-reference.ts";
import { registryFailure } from "./retry.ts";

const WHAT = "the push";

/** Sends images of the store to registries (distribution-spec v1.1, "Push"). */
export class Pusher {
  readonly #catalog: ImageCatalog;
  readonly #registries: RegistryAccess;

  constructor(catalog: ImageCatalog, registries: RegistryAccess) {
    this.#catalog = catalog;
    this.#registries = registries;
  }

  /** Throws what `ImageStore.push` says. */
  async push(ref: string, { auth, onProgress, signal }: RegistryOptions = {}): Promise<{ readonly digest: string }> {
    const remote = parseRemote(ref);
    const { tag } = remote;
    if (tag === undefined)
      throw new IsthmusError("INVALID_IMAGE_REF", { value: ref, reason: "an image is pushed under a tag; write NAME:TAG" });
    const { digest } = this.#catalog.find(ref);
    const stop = new AbortController();
    const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    try {
      throwIfCancelled(signal, WHAT);
      const manifest = await readFile(blobPath(this.#catalog.folder, digest));
      const parsed = parseManifest(manifest, "");
      if (parsed.kind === "index") throw new IsthmusError("INTERNAL", { reason: "the store holds an index" });
      const [client] = clientsOf(this.#registries, remote, { ref, auth, actions: "pull,push", signal: both });
      if (client === undefined) throw new IsthmusError("INTERNAL", { reason: "no registry to send to" });
      await this.#sendAll(client, [parsed.config, ...parsed.layers], onProgress ?? (() => undefined));
      await putManifest(client, tag, manifest);
      await this.#catalog.addTags(digest, [], false, [`${remote.name}@${digest}`]);
      return { digest };
    } catch (error) {
      throw imageFailure(registryFailure(error, remote.registry), WHAT, signal);
    } finally {
      stop.abort();
    }
  }

  /** A few at a time; the first failure ends all. */
  async #sendAll(client: RegistryClient, blobs: readonly Descriptor[], onProgress: (progress: Progress) => void): Promise<void> {
    const queue = new Map(blobs.map((blob) => [blob.digest, blob])).values();
    const worker = async (): Promise<void> => {
      for (const blob of queue) await this.#sendBlob(client, blob, onProgress);
    };
    await Promise.all(Array.from({ length: client.options.limits.parallelLayers }, worker));
  }

  async #sendBlob(client: RegistryClient, { digest, sizeBytes }: Descriptor, onProgress: (progress: Progress) => void): Promise<void> {
    const item = digest.slice("sha256:".length).slice(0, ITEM_CHARS);
    const there = await client.request(`blobs/${digest}`, { method: "HEAD" }, [200, 404]);
    there.body.destroy();
    if (there.status === 200) return onProgress({ step: "present", item, doneBytes: sizeBytes, totalBytes: sizeBytes, percent: 100 });
    const path = blobPath(this.#catalog.folder, digest);
    await client.retrying(async () => {
      const begun = await client.ask(await client.url("blobs/uploads/"), { method: "POST", headers: { "content-length": 0 } }, [202]);
      begun.body.resume();
      const location = uploadAddress(begun.headers.location, begun.url, client.registry);
      location.searchParams.set("digest", digest);
      const onBytes = layerProgress(onProgress, "upload", item, sizeBytes);
      const body = () => {
        let doneBytes = 0;
        return createReadStream(path, { highWaterMark: streaming.chunkBytes }).on("data", (chunk) => {
          doneBytes += chunk.length;
          onBytes(doneBytes);
        });
      };
      const headers = { "content-type": "application/octet-stream", "content-length": sizeBytes };
      const put = { method: "PUT", headers, body, idleMs: client.options.limits.uploadIdleMs } as const;
      (await client.ask(location, put, [201, 204])).body.resume();
    });
    onProgress({ step: "pushed", item, doneBytes: sizeBytes, totalBytes: sizeBytes, percent: 100 });
  }
}

function uploadAddress(location: string | undefined, from: URL, registry: string): URL {
  const url = location !== undefined && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== from.protocol))
    throw new IsthmusError("REGISTRY_FAILED", { registry, reason: "it names no address to send a layer to" });
  return url;
}

async function putManifest(client: RegistryClient, tag: string, manifest: Buffer): Promise<void> {
  const type = stringField(parseObject(manifest, "a manifest"), "mediaType") ?? mediaTypes.manifest;
  const headers = { "content-type": type, "content-length": manifest.length };
  (await client.request(`manifests/${tag}`, { method: "PUT", headers, body: () => manifest }, [200, 201])).body.resume();
}
