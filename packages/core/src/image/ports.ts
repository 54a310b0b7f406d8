import type { Readable } from "node:stream";
import type { Image, ImageHistory, Progress, RegistryAuth } from "@isthmus/contract";

export interface ImportOptions {
  /** tag to give; NAME or NAME:TAG */
  readonly ref: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly builtIn?: boolean;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** How to talk to a registry. */
export interface RegistryOptions {
  readonly auth?: RegistryAuth;
  /** a step of each layer has the layer's short digest as its `item` */
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Images of this host, by digest. All methods throw BAD_IMAGE, DISK_FULL or the code named. */
export interface ImageStore {
  /** Throws IMAGE_NOT_FOUND, INVALID_IMAGE_REF. A digest prefix of 6 hex digits or more will do. */
  resolve(ref: string): Promise<Image & { readonly rootfsPath: string }>;
  list(): Promise<readonly Image[]>;
  /** A root file system as a tar stream (plain, gzip or zstd) becomes a one-layer image. */
  importTar(archive: Readable, options: ImportOptions): Promise<Image>;
  /** An OCI archive or docker-save archive (tar of an OCI layout or of manifest.json). Returns every image in it. `ref` names an untagged one. */
  loadArchive(
    archive: Readable,
    options?: { readonly ref?: string; readonly onProgress?: (p: Progress) => void; readonly signal?: AbortSignal },
  ): Promise<readonly Image[]>;
  /**
   * Gets an image from its registry, or finds that it is here already. `ref` is NAME, NAME:TAG or NAME@sha256:…. Pulls of one image at the same time are one.
   * Throws INVALID_IMAGE_REF, IMAGE_NO_PLATFORM, IMAGE_DIGEST_MISMATCH, CANCELLED, REGISTRY_*.
   */
  pull(ref: string, options?: RegistryOptions): Promise<Image>;
  /**
   * Sends an image to the registry that its tag names; what is there already is not sent again, what another repository of the registry has is mounted from
   * there. Throws IMAGE_NOT_FOUND, INVALID_IMAGE_REF, CANCELLED, REGISTRY_*.
   */
  push(ref: string, options?: RegistryOptions): Promise<{ readonly digest: string }>;
  /** Images as an OCI archive that is also what `docker load` reads. Removing one meanwhile does no harm. Throws IMAGE_NOT_FOUND. */
  save(refs: readonly string[]): Promise<Readable>;
  /** Newest first. Throws IMAGE_NOT_FOUND. */
  history(ref: string): Promise<readonly ImageHistory[]>;
  /** Removes images without a tag, or with `all` every one but the built-in, that nothing uses. */
  prune(options: {
    readonly all?: boolean;
    readonly inUse: (digest: string) => string | undefined;
  }): Promise<{ readonly deleted: readonly Image[]; readonly freedBytes: number }>;
  tag(source: string, target: string): Promise<Image>;
  /** A tag goes; the image with its last tag. A digest removes all tags. Throws IMAGE_IN_USE (inUse says who holds a digest). */
  remove(
    ref: string,
    options: { readonly force?: boolean; readonly inUse: (digest: string) => string | undefined },
  ): Promise<{ readonly untagged: readonly string[]; readonly deleted: readonly string[] }>;
}
