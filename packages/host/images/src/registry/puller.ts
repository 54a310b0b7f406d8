import type { Image, Progress } from "@isthmus/contract";
import type { RegistryOptions } from "@isthmus/core";
import type { Builds } from "../builds.ts";
import type { ImageCatalog } from "../catalog.ts";
import type { ImageLimits } from "../config.ts";
import { imageFailure, throwIfCancelled } from "../failures.ts";
import { type BuilderOptions, buildPlanned } from "../image-builder.ts";
import type { Packer } from "../packer.ts";
import { reporter } from "../progress.ts";
import { Workspace } from "../workspace.ts";
import { clientsOf, type RegistryAccess } from "./access.ts";
import { LayerDownloads } from "./layer-downloads.ts";
import type { RegistryClient } from "./registry-client.ts";
import { findRemote, type RemoteImage } from "./remote-image.ts";
import { parseRemote, type RemoteReference } from "./remote-reference.ts";
import { registryFailure } from "./retry.ts";
import { SharedWork } from "./shared-work.ts";

const WHAT = "the pull";

export interface PullerOptions {
  readonly catalog: ImageCatalog;
  readonly builds: Builds;
  readonly packer: Packer;
  readonly limits: ImageLimits;
  readonly registries: RegistryAccess;
}

/** Gets images from registries into the store. */
export class Puller {
  readonly #options: PullerOptions;
  readonly #pulls = new SharedWork<Image>(WHAT);

  constructor(options: PullerOptions) {
    this.#options = options;
  }

  /** Throws what `ImageStore.pull` says. */
  async pull(ref: string, options: RegistryOptions = {}): Promise<Image> {
    const remote = parseRemote(ref);
    try {
      throwIfCancelled(options.signal, WHAT);
      options.onProgress?.({ step: "resolve", message: ref });
      // Each caller asks by himself, with his own account, what the name stands for; only then may he share in the work.
      const sources = clientsOf(this.#options.registries, remote, { ...options, ref, actions: "pull" });
      const found = await findRemote(sources, remote.digest ?? remote.tag ?? "", this.#options.limits);
      await this.#pulls.join(`${remote.registry} ${found.planned.digest}`, options, (onProgress, signal) =>
        this.#get(sources, remote, found, onProgress, signal),
      );
      return await this.#name(remote, found);
    } catch (error) {
      throw imageFailure(registryFailure(error, remote.registry), WHAT, options.signal);
    }
  }

  async #get(
    sources: readonly RegistryClient[],
    remote: RemoteReference,
    { planned, named }: RemoteImage,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Image> {
    const { catalog, builds, packer, limits } = this.#options;
    await using workspace = await Workspace.make(catalog.folder);
    // Aborted here when the build fails, so that nothing goes on being downloaded for it.
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    await using downloads = new LayerDownloads({
      layers: planned.layers,
      sources: sources.map((source) => source.until(both)),
      stored: (digest) => catalog.storedBlob(digest),
      onProgress,
    });
    const build: BuilderOptions = { report: reporter(onProgress), signal: both, packer, limits, workspace };
    try {
      return await builds.once({
        ...namesOf(remote, planned.digest, named),
        digest: planned.digest,
        builtIn: false,
        signal,
        build: async () => {
          downloads.begin((index) => workspace.path(`blob-${index}`));
          return await buildPlanned({ ...planned, stage: (index) => downloads.take(index) }, build);
        },
      });
    } finally {
      stop.abort();
    }
  }

  /** A caller that shared in another's work has names of his own. */
  async #name(remote: RemoteReference, { planned, named }: RemoteImage): Promise<Image> {
    const { catalog } = this.#options;
    const { tags, repoDigests } = namesOf(remote, planned.digest, named);
    return (await catalog.addTags(planned.digest, tags, false, repoDigests)) ?? catalog.image(planned.digest);
  }
}

function namesOf(remote: RemoteReference, digest: string, named: string) {
  return {
    tags: remote.tag === undefined ? [] : [`${remote.name}:${remote.tag}`],
    repoDigests: [...new Set([named, digest])].map((one) => `${remote.name}@${one}`),
  };
}
