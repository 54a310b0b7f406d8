import { IsthmusError } from "@isthmus/contract";
import type { ImageLimits } from "../config.ts";
import { badImage } from "../failures.ts";
import type { Descriptor } from "../manifest.ts";
import { type Documents, ManifestWalk, type PlannedDocuments } from "../manifest-walk.ts";
import { noPlatform } from "../planned-image.ts";
import type { RegistryClient, RemoteManifest } from "./registry-client.ts";
import { firstOf } from "./sources.ts";

/** Layers that a registry does not hand out itself: their descriptors only tell where somebody else might. */
const foreign = /nondistributable|\.foreign\./;
const schema1 = /^application\/vnd\.docker\.distribution\.manifest\.v1(\+prettyjws|\+json)?$/;
/** an image's config; other types are of charts, signatures and the like */
const configType =
  /^(|application\/vnd\.oci\.image\.config\.v1\+json|application\/vnd\.docker\.container\.image\.v1\+json|application\/octet-stream)$/;

export interface RemoteImage {
  readonly planned: PlannedDocuments;
  /** of what the name stands for: the manifest, or an index above it */
  readonly named: string;
}

function documentsOf(sources: readonly RegistryClient[], top: RemoteManifest): Documents {
  return {
    async manifest({ digest, sizeBytes }) {
      if (digest === top.digest) return top.bytes;
      const { bytes } = await firstOf(sources, (client) => client.manifest(digest));
      return checked(bytes, digest, sizeBytes);
    },
    async config({ digest, sizeBytes, mediaType }) {
      if (!configType.test(mediaType))
        throw badImage(`it is no image: its config has the media type ${JSON.stringify(mediaType.slice(0, 100))}`);
      return checked(await firstOf(sources, (client) => client.smallBlob(digest)), digest, sizeBytes);
    },
    checkLayer({ mediaType, digest }) {
      if (foreign.test(mediaType)) throw badImage(`layer ${digest} is a foreign one, which registries do not hand out`);
    },
    tagsOf: () => [],
  };
}

function checked(bytes: Buffer, digest: string, sizeBytes: number): Buffer {
  if (bytes.length !== sizeBytes) throw badImage(`blob ${digest} has ${bytes.length} bytes, its descriptor says ${sizeBytes}`);
  return bytes;
}

/** Finds what `reference` (a tag or digest) means for this host. Throws BAD_IMAGE, IMAGE_NO_PLATFORM, IMAGE_DIGEST_MISMATCH, TOO_LARGE, REGISTRY_*. */
export async function findRemote(sources: readonly RegistryClient[], reference: string, limits: ImageLimits): Promise<RemoteImage> {
  const top = await firstOf(sources, (client) => client.manifest(reference));
  if (schema1.test(top.mediaType)) throw badImage("its manifest is of docker's schema 1, which has no verified layers; push it anew");
  const { digest, bytes, mediaType } = top;
  const descriptor: Descriptor = { digest, sizeBytes: bytes.length, mediaType, annotations: {}, platform: undefined };
  const walk = new ManifestWalk(documentsOf(sources, top));
  const [found] = await walk.find([descriptor], [], []);
  const planned = found === undefined ? undefined : await walk.plan(found);
  if (planned === undefined) throw noPlatform(walk.offered);
  const total = planned.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (total > limits.archiveBytes)
    throw new IsthmusError("TOO_LARGE", { field: "image", value: `${total} bytes`, limit: `${limits.archiveBytes} bytes` });
  return { planned, named: digest };
}
