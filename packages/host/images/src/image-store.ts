import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { type Image, type ImageHistory, IsthmusError } from "@isthmus/contract";
import type { ImageStore, ImportOptions, RegistryOptions } from "@isthmus/core";
import { ArchiveFile } from "./archive-file.ts";
import { Builds } from "./builds.ts";
import { ImageCatalog } from "./catalog.ts";
import { type ImageLimits, imageLimits } from "./config.ts";
import { planDockerArchive } from "./docker-archive.ts";
import { EarlyPack } from "./early-pack.ts";
import { badImage, imageFailure, throwIfCancelled } from "./failures.ts";
import { readHistory } from "./history.ts";
import { buildImage, buildPlanned } from "./image-builder.ts";
import { parseImageConfig } from "./image-config.ts";
import { composeImported } from "./imported.ts";
import { receiveLayer } from "./layers.ts";
import { planOciLayout } from "./oci-layout.ts";
import { type Packer, squashfsPacker } from "./packer.ts";
import type { PlannedImage } from "./planned-image.ts";
import { reporter } from "./progress.ts";
import { pruneImages } from "./prune.ts";
import { parseTag } from "./reference.ts";
import { RegistryAccess } from "./registry/access.ts";
import { noSettings, type RegistryLimits, type RegistrySettings } from "./registry/config.ts";
import { Puller } from "./registry/puller.ts";
import { Pusher } from "./registry/pusher.ts";
import { saveArchive } from "./save-archive.ts";
import { receiveTar, type SpoolOptions } from "./spool.ts";
import { TarReader } from "./tar-reader.ts";
import { Workspace } from "./workspace.ts";

export interface ImageStoreOptions {
  /** the store's own folder, made when missing; one process at a time */
  readonly folder: string;
  readonly packer?: Packer;
  readonly limits?: Partial<ImageLimits>;
  /** how registries are reached; directly when absent */
  readonly registries?: RegistrySettings;
  readonly registryLimits?: Partial<RegistryLimits>;
}

export interface LocalImportOptions extends ImportOptions {
  readonly labels?: Readonly<Record<string, string>>;
}

/** The store of this host; an import may also set labels. */
export interface LocalImageStore extends ImageStore {
  importTar(archive: Readable, options: LocalImportOptions): Promise<Image>;
}

type LoadOptions = NonNullable<Parameters<ImageStore["loadArchive"]>[1]>;

class FolderImageStore implements LocalImageStore {
  readonly #catalog: ImageCatalog;
  readonly #builds: Builds;
  readonly #packer: Packer;
  readonly #limits: ImageLimits;
  readonly #registries: RegistryAccess;
  readonly #puller: Puller;
  readonly #pusher: Pusher;
  #packingEarly = false;

  constructor(catalog: ImageCatalog, options: ImageStoreOptions) {
    const { packer = squashfsPacker(), registries: settings = noSettings, registryLimits } = options;
    this.#catalog = catalog;
    this.#builds = new Builds(catalog);
    this.#packer = packer;
    this.#limits = { ...imageLimits, ...options.limits };
    this.#registries = new RegistryAccess(settings, registryLimits);
    this.#puller = new Puller({ catalog, builds: this.#builds, packer, limits: this.#limits, registries: this.#registries });
    this.#pusher = new Pusher(catalog, this.#registries);
  }

  async resolve(ref: string): Promise<Image & { readonly rootfsPath: string }> {
    const { digest } = this.#catalog.find(ref);
    if (!(await this.#catalog.isIntact(digest))) throw badImage(`the rootfs of ${ref} is missing or damaged; import or load it again`);
    return { ...this.#catalog.image(digest), rootfsPath: this.#catalog.rootfsPath(digest) };
  }

  async list(): Promise<readonly Image[]> {
    return this.#catalog.list();
  }

  async importTar(archive: Readable, options: LocalImportOptions): Promise<Image> {
    const tag = parseTag(options.ref);
    return await this.#work("the import", archive, options.signal, async (workspace) => {
      const spool: SpoolOptions = { report: reporter(options.onProgress), signal: options.signal };
      await using early = this.#packEarly(workspace, options.signal);
      const build = { ...spool, packer: this.#packer, limits: this.#limits, workspace, early };
      const { layer, merged } = await receiveLayer(archive, early, { ...build, folder: workspace.folder });
      const parts = await composeImported(layer, merged.plain[0]?.digest ?? layer.digest, options);
      return await this.#builds.once({
        digest: parts.digest,
        tags: [tag],
        builtIn: options.builtIn ?? false,
        signal: options.signal,
        build: async () => await buildImage({ ...parts, config: parseImageConfig(parts.configBytes), layers: [layer] }, merged, build),
      });
    });
  }

  async loadArchive(archive: Readable, options: LoadOptions = {}): Promise<readonly Image[]> {
    const ref = options.ref === undefined ? undefined : parseTag(options.ref);
    return await this.#work("the load", archive, options.signal, async (workspace) => {
      const spool: SpoolOptions = { report: reporter(options.onProgress), signal: options.signal };
      const file = await this.#openArchive(archive, workspace, spool);
      const planned = await this.#plan(file, options.signal);
      const images: Image[] = [];
      for (const image of planned) images.push(await this.#load(image, namesOf(image, planned.length, ref), spool));
      return images.map(({ digest }) => this.#catalog.image(digest));
    });
  }

  async pull(ref: string, options?: RegistryOptions): Promise<Image> {
    return await this.#registries.during(() => this.#puller.pull(ref, options));
  }

  async push(ref: string, options?: RegistryOptions): Promise<{ readonly digest: string }> {
    return await this.#registries.during(() => this.#pusher.push(ref, options));
  }

  async save(refs: readonly string[]): Promise<Readable> {
    return await saveArchive(this.#catalog, refs);
  }

  async history(ref: string): Promise<readonly ImageHistory[]> {
    return await readHistory(this.#catalog, ref);
  }

  async prune(options: Parameters<ImageStore["prune"]>[0]): ReturnType<ImageStore["prune"]> {
    return await pruneImages(this.#catalog, options);
  }

  async tag(source: string, target: string): Promise<Image> {
    const tag = parseTag(target);
    const { digest } = this.#catalog.find(source);
    const image = await this.#catalog.addTags(digest, [tag]).catch((error: unknown) => {
      throw imageFailure(error, "the tag");
    });
    if (image === undefined) throw new IsthmusError("IMAGE_NOT_FOUND", { ref: source });
    return image;
  }

  async remove(ref: string, options: Parameters<ImageStore["remove"]>[1]): ReturnType<ImageStore["remove"]> {
    const match = this.#catalog.find(ref);
    const { untagged, deleted } = await this.#catalog.remove(match, (digest) => {
      const holder = options.inUse(digest);
      if (holder !== undefined && options.force !== true) throw new IsthmusError("IMAGE_IN_USE", { ref, holder });
    });
    return { untagged, deleted };
  }

  /** One at a time: each is a process with caches of its own, and imports side by side would only wait for each other. */
  #packEarly(workspace: Workspace, signal: AbortSignal | undefined): EarlyPack | undefined {
    if (this.#packingEarly) return undefined;
    this.#packingEarly = true;
    const onEnd = (): void => {
      this.#packingEarly = false;
    };
    return new EarlyPack({ packer: this.#packer, limits: this.#limits, folder: workspace.path("packed-early"), signal, onEnd });
  }

  async #openArchive(archive: Readable, workspace: Workspace, spool: SpoolOptions): Promise<ArchiveFile> {
    const file = new ArchiveFile(this.#limits.archiveEntries);
    const reader = new TarReader((entry) => file.add(entry));
    const look = (chunk: Buffer): undefined => {
      reader.push(chunk);
    };
    const options = { ...spool, limits: this.#limits, budgetBytes: this.#limits.archiveBytes, look };
    file.path = (await receiveTar(archive, workspace.path("archive"), workspace.path("archive-plain"), options)).plain.path;
    reader.end();
    return file;
  }

  async #plan(file: ArchiveFile, signal: AbortSignal | undefined): Promise<readonly PlannedImage[]> {
    if (file.has("oci-layout") && file.has("index.json")) return await planOciLayout(file);
    if (file.has("manifest.json")) return await planDockerArchive(file, signal);
    throw badImage("the archive is neither an OCI layout nor made by docker save; a root file system is imported instead");
  }

  async #load(planned: PlannedImage, tags: readonly string[], spool: SpoolOptions): Promise<Image> {
    await using workspace = await Workspace.make(this.#catalog.folder);
    const options = { ...spool, packer: this.#packer, limits: this.#limits, workspace };
    const build = async (): ReturnType<typeof buildPlanned> => await buildPlanned(planned, options);
    return await this.#builds.once({ digest: planned.digest, tags, builtIn: false, signal: spool.signal, build });
  }

  /** Runs `action` in a workspace that goes with it; every failure becomes one of ours, and the archive is let go. */
  async #work<T>(
    what: string,
    archive: Readable,
    signal: AbortSignal | undefined,
    action: (workspace: Workspace) => Promise<T>,
  ): Promise<T> {
    try {
      throwIfCancelled(signal, what);
      await using workspace = await Workspace.make(this.#catalog.folder);
      return await action(workspace);
    } catch (error) {
      throw imageFailure(error, what, signal);
    } finally {
      archive.destroy();
    }
  }
}

/** `ref` names the only image of an archive, beside the names that it brings along; of several, those that bring none. */
function namesOf(image: PlannedImage, count: number, ref: string | undefined): readonly string[] {
  if (ref === undefined) return image.tags;
  if (count === 1) return [...new Set([...image.tags, ref])];
  if (image.tags.length > 0) return image.tags;
  // Several nameless images cannot share one tag: each gets a tag from its own digest.
  return [parseTag(`${ref.slice(0, ref.lastIndexOf(":"))}:${createHash("sha256").update(image.digest).digest("hex").slice(0, 12)}`)];
}

/** Opens the image store in `folder`, sweeping what a crash left there. Throws STORE_FAILED when its index is damaged. */
export async function createImageStore(options: ImageStoreOptions): Promise<LocalImageStore> {
  return new FolderImageStore(await ImageCatalog.open(options.folder), options);
}
