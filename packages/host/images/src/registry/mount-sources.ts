import { type Image, registryOf } from "@isthmus/contract";
import type { RemoteReference } from "./remote-reference.ts";

export interface MountSourcesOptions {
  /** where the image goes */
  readonly remote: RemoteReference;
  readonly blobs: readonly string[];
  /** images that have a blob, the one that is sent first */
  readonly imagesWith: (blob: string) => readonly Image[];
  /** how many repositories there may be */
  readonly limit: number;
}

/** Blob → the other repository of the same registry that it is most likely in. Repositories that several blobs may be in come first. */
export function mountSources({ remote, blobs, imagesWith, limit }: MountSourcesOptions): ReadonlyMap<string, string> {
  const sources = new Map<string, string>();
  const chosen = new Set<string>();
  for (const blob of blobs) {
    const candidates = repositoriesOf(imagesWith(blob), remote);
    const source = candidates.find((one) => chosen.has(one)) ?? (chosen.size < limit ? candidates[0] : undefined);
    if (source === undefined) continue;
    chosen.add(source);
    sources.set(blob, source);
  }
  return sources;
}

/** A repository that an image came from or was sent to has its blobs; one that only a tag names perhaps. The latest are the likeliest to be there still. */
function repositoriesOf(images: readonly Image[], { registry, repository }: RemoteReference): readonly string[] {
  const known = images.flatMap(({ repoDigests = [] }) => repoDigests.toReversed());
  const perhaps = images.flatMap(({ tags }) => tags);
  const all = [...known, ...perhaps].map(registryOf).filter((one) => one.registry === registry && one.repository !== repository);
  return [...new Set(all.map((one) => one.repository))];
}
