import type { Readable } from "node:stream";
import { type Image, type ImageHistory, IsthmusError, type Progress } from "@isthmus/contract";
import { jsonLines } from "./lines.ts";
import type { CallOptions, ImagePruning, ImageRemoval, ImportOptions, LoadOptions, RegistryCallOptions } from "./options.ts";
import type { Call, Transport } from "./transport.ts";

/** The images of a host. Methods that take `ref` want NAME, NAME:TAG or a digest, and throw IMAGE_NOT_FOUND and INVALID_IMAGE_REF. */
export class Images {
  readonly #transport: Transport;

  /** Use `isthmus.images`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All images. */
  async list(options: CallOptions = {}): Promise<readonly Image[]> {
    const call: Call = { method: "GET", path: "/images", signal: options.signal };
    const { images } = await this.#transport.json<{ images: readonly Image[] }>(call);
    return images;
  }

  /** One image. */
  inspect(ref: string, options: CallOptions = {}): Promise<Image> {
    return this.#transport.json({ method: "GET", path: "/images/inspect", query: { ref }, signal: options.signal });
  }

  /** Takes a tag away, and the image with its last tag. Throws IMAGE_IN_USE unless `force` is set. */
  remove(ref: string, options: CallOptions & { readonly force?: boolean } = {}): Promise<ImageRemoval> {
    return this.#transport.json({ method: "DELETE", path: "/images", query: { ref, force: options.force }, signal: options.signal });
  }

  /** Gives the image `source` one more tag. */
  tag(source: string, target: string, options: CallOptions = {}): Promise<Image> {
    return this.#transport.json({ method: "POST", path: "/images/tag", json: { source, target }, signal: options.signal });
  }

  /**
   * Gets an image from its registry: NAME, NAME:TAG or NAME@sha256:…. `dockerAuth` finds the account that docker login left. Throws REGISTRY_NO_IMAGE,
   * REGISTRY_DENIED, REGISTRY_UNREACHABLE, IMAGE_NO_PLATFORM and others.
   */
  async pull(ref: string, options: RegistryCallOptions = {}): Promise<Image> {
    const { auth, onProgress, signal } = options;
    return await this.#one({ method: "POST", path: "/images/pull", json: { ref, auth }, signal }, onProgress);
  }

  /** Sends an image to the registry that its tag names; layers that are there are not sent again. Throws REGISTRY_DENIED, REGISTRY_UNREACHABLE and others. */
  async push(ref: string, options: RegistryCallOptions = {}): Promise<{ readonly digest: string }> {
    const { auth, onProgress, signal } = options;
    const call: Call = { method: "POST", path: "/images/push", json: { ref, auth }, signal };
    for await (const line of jsonLines<Progress | { pushed: { digest: string } }>(this.#transport, call)) {
      if ("pushed" in line) return line.pushed;
      onProgress?.(line);
    }
    throw new IsthmusError("PROTOCOL", { reason: "the push ended without a result" });
  }

  /** Images as an OCI archive, a tar stream that `docker load` and `skopeo` read too. */
  save(refs: readonly string[], options: CallOptions = {}): Promise<Readable> {
    const headers = { accept: "application/x-tar" };
    return this.#transport.send({ method: "GET", path: "/images/save", query: { ref: refs }, headers, signal: options.signal });
  }

  /** The steps that made an image, newest first. */
  async history(ref: string, options: CallOptions = {}): Promise<readonly ImageHistory[]> {
    const call: Call = { method: "GET", path: "/images/history", query: { ref }, signal: options.signal };
    return (await this.#transport.json<{ history: readonly ImageHistory[] }>(call)).history;
  }

  /** Removes images without a tag that nothing uses; with `all`, those with a tag as well, but for the built-in one. */
  prune(options: CallOptions & { readonly all?: boolean } = {}): Promise<ImagePruning> {
    return this.#transport.json({ method: "POST", path: "/images/prune", query: { all: options.all }, signal: options.signal });
  }

  /** Makes an image of a root file system: a tar stream, plain or compressed with gzip or zstd. Throws BAD_IMAGE, DISK_FULL. */
  async import(archive: Readable, options: ImportOptions): Promise<Image> {
    const { ref, command, entrypoint, env, workdir, user, onProgress, signal } = options;
    const query = { ref, command, entrypoint, env, workdir, user };
    return await this.#one({ method: "POST", path: "/images/import", query, body: archive, signal }, onProgress);
  }

  /** Takes in every image of an OCI archive or of what `docker save` wrote. Throws BAD_IMAGE, DISK_FULL. */
  load(archive: Readable, options: LoadOptions = {}): Promise<readonly Image[]> {
    const { ref, onProgress, signal } = options;
    return this.#upload({ method: "POST", path: "/images/load", query: { ref }, body: archive, signal }, onProgress);
  }

  async #one(call: Call, onProgress: ((progress: Progress) => void) | undefined): Promise<Image> {
    const [image] = await this.#upload(call, onProgress);
    if (image === undefined) throw new IsthmusError("PROTOCOL", { reason: `${call.path} gave no image` });
    return image;
  }

  async #upload(call: Call, onProgress: ((progress: Progress) => void) | undefined): Promise<readonly Image[]> {
    for await (const line of jsonLines<Progress | { image: Image } | { images: readonly Image[] }>(this.#transport, call)) {
      if ("image" in line) return [line.image];
      if ("images" in line) return line.images;
      onProgress?.(line);
    }
    throw new IsthmusError("PROTOCOL", { reason: `${call.path} ended without an image` });
  }
}
