import { readFile } from "node:fs/promises";
import { type Image, IsthmusError } from "@isthmus/contract";
import type { RegistryOptions } from "@isthmus/core";
import type { ImageCatalog } from "../catalog.ts";
import { imageFailure, throwIfCancelled } from "../failures.ts";
import { blobPath } from "../image-index.ts";
import { parseObject, stringField } from "../json.ts";
import { type Descriptor, mediaTypes, parseManifest } from "../manifest.ts";
import { clientsOf, type RegistryAccess } from "./access.ts";
import { LayerUploads } from "./layer-uploads.ts";
import { mountSources } from "./mount-sources.ts";
import type { RegistryClient } from "./registry-client.ts";
import { parseRemote, type RemoteReference } from "./remote-reference.ts";
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
      const blobs = [parsed.config, ...parsed.layers];
      const mounts = this.#mounts(remote, digest, blobs);
      const alsoPull = [...new Set(mounts.values())];
      const [client] = clientsOf(this.#registries, remote, { ref, auth, actions: "pull,push", alsoPull, signal: both });
      if (client === undefined) throw new IsthmusError("INTERNAL", { reason: "no registry to send to" });
      const pathOf = (blob: string): string => blobPath(this.#catalog.folder, blob);
      await new LayerUploads({ client, pathOf, mounts, onProgress: onProgress ?? (() => undefined) }).sendAll(blobs);
      await putManifest(client, tag, manifest);
      await this.#catalog.addTags(digest, [], false, [`${remote.name}@${digest}`]);
      return { digest };
    } catch (error) {
      throw imageFailure(registryFailure(error, remote.registry), WHAT, signal);
    } finally {
      stop.abort();
    }
  }

  /** Where each blob may be taken from; what is known of the image itself comes before what is known of others that share with it. */
  #mounts(remote: RemoteReference, digest: string, blobs: readonly Descriptor[]): ReadonlyMap<string, string> {
    const imagesWith = (blob: string): readonly Image[] => {
      const all = this.#catalog.imagesWith(blob);
      return [...all.filter((image) => image.digest === digest), ...all.filter((image) => image.digest !== digest)];
    };
    const limit = this.#registries.limits.mountRepositories;
    return mountSources({ remote, blobs: blobs.map((blob) => blob.digest), imagesWith, limit });
  }
}

async function putManifest(client: RegistryClient, tag: string, manifest: Buffer): Promise<void> {
  const type = stringField(parseObject(manifest, "a manifest"), "mediaType") ?? mediaTypes.manifest;
  const headers = { "content-type": type, "content-length": manifest.length };
  (await client.request(`manifests/${tag}`, { method: "PUT", headers, body: () => manifest }, [200, 201])).body.resume();
}
