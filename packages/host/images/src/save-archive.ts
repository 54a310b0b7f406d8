import { createReadStream } from "node:fs";
import { link, readFile, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { IsthmusError, registryOf } from "@isthmus/contract";
import type { ImageCatalog, Match } from "./catalog.ts";
import { streaming } from "./config.ts";
import { imageFailure } from "./failures.ts";
import { blobPath } from "./image-index.ts";
import { parseObject, stringField } from "./json.ts";
import { mediaTypes, parseManifest } from "./manifest.ts";
import { hexOf } from "./reference.ts";
import { encodeEntry, endOfTar, padding } from "./tar-writer.ts";
import { Workspace } from "./workspace.ts";

const blobName = (digest: string): string => `blobs/sha256/${hexOf(digest)}`;

interface Saved {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly config: string;
  readonly layers: readonly string[];
  readonly tags: Set<string>;
}

/**
 * An archive that is both an OCI layout (image-spec v1.1, image-layout.md) and what `docker save` writes since version 25: the same blobs under a
 * `manifest.json`. The same images give the same bytes. Throws IMAGE_NOT_FOUND.
 */
export async function saveArchive(catalog: ImageCatalog, refs: readonly string[]): Promise<Readable> {
  const images = new Map<string, Saved>();
  for (const match of refs.map((ref) => catalog.find(ref))) {
    const saved = images.get(match.digest) ?? (await read(catalog, match));
    if (match.tag !== undefined) saved.tags.add(match.tag);
    images.set(match.digest, saved);
  }
  const workspace = await Workspace.make(catalog.folder);
  try {
    const blobs = new Set([...images.values()].flatMap(({ descriptor, config, layers }) => [descriptor.digest, config, ...layers]));
    // Links of our own: an image that is removed while it is read stays whole here.
    for (const digest of blobs) await link(blobPath(catalog.folder, digest), workspace.path(hexOf(digest)));
    return Readable.from(archive([...images.values()], [...blobs], workspace), { objectMode: false });
  } catch (error) {
    await workspace[Symbol.asyncDispose]();
    throw imageFailure(error, "the save");
  }
}

async function read(catalog: ImageCatalog, { digest }: Match): Promise<Saved> {
  const bytes = await readFile(blobPath(catalog.folder, digest));
  const manifest = parseManifest(bytes, "");
  if (manifest.kind === "index") throw new IsthmusError("INTERNAL", { reason: "the store holds an index" });
  const mediaType = stringField(parseObject(bytes, "a manifest"), "mediaType") ?? mediaTypes.manifest;
  return {
    descriptor: { mediaType, digest, size: bytes.length },
    config: manifest.config.digest,
    layers: manifest.layers.map((layer) => layer.digest),
    tags: new Set(),
  };
}

async function* archive(images: readonly Saved[], blobs: readonly string[], workspace: Workspace): AsyncGenerator<Buffer, void, undefined> {
  await using _ = workspace;
  for (const folder of ["blobs", "blobs/sha256"]) yield encodeEntry({ ...entry(folder, 0), type: "directory", mode: 0o755 });
  for (const digest of [...blobs].sort()) {
    const path = workspace.path(hexOf(digest));
    const { size } = await stat(path);
    yield encodeEntry(entry(blobName(digest), size));
    for await (const chunk of createReadStream(path, { highWaterMark: streaming.chunkBytes })) yield chunk as Buffer;
    yield padding(size);
  }
  yield* document("index.json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: images.flatMap(descriptors),
  });
  yield* document(
    "manifest.json",
    images.map(({ config, layers, tags }) => ({
      Config: blobName(config),
      RepoTags: tags.size === 0 ? null : [...tags].sort(),
      Layers: layers.map(blobName),
    })),
  );
  yield* document("oci-layout", { imageLayoutVersion: "1.0.0" });
  yield endOfTar;
}

/** One for each tag, as containerd and docker name images in layouts. */
function descriptors({ descriptor, tags }: Saved): readonly unknown[] {
  if (tags.size === 0) return [descriptor];
  return [...tags].sort().map((tag) => {
    const { registry, repository } = registryOf(tag);
    const version = tag.slice(tag.lastIndexOf(":") + 1);
    const annotations = {
      "io.containerd.image.name": `${registry}/${repository}:${version}`,
      "org.opencontainers.image.ref.name": version,
    };
    return { ...descriptor, annotations };
  });
}

function* document(name: string, value: unknown): Generator<Buffer, void, undefined> {
  const bytes = Buffer.from(JSON.stringify(value));
  yield encodeEntry(entry(name, bytes.length));
  yield bytes;
  yield padding(bytes.length);
}

function entry(name: string, size: number): Parameters<typeof encodeEntry>[0] {
  return { name, type: "file", mode: 0o644, uid: 0, gid: 0, size, mtime: 0, target: "", major: 0, minor: 0, xattrs: undefined };
}
