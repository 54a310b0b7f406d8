import { IsthmusError, registryOf } from "@isthmus/contract";
import { referenceLimits } from "../config.ts";
import { isDigest, parseTag } from "../reference.ts";

/** Where an image is in the world. */
export interface RemoteReference {
  /** as it is written: docker.io, localhost:5000 */
  readonly registry: string;
  /** library/busybox */
  readonly repository: string;
  /** asked for when there is no digest */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
  /** the short form without tag and digest: busybox */
  readonly name: string;
}

/** `NAME`, `NAME:TAG`, `NAME@sha256:…` or `NAME:TAG@sha256:…`, whose tag means nothing. Throws INVALID_IMAGE_REF. */
export function parseRemote(ref: string): RemoteReference {
  const at = ref.indexOf("@");
  const named = at === -1 ? ref : ref.slice(0, at);
  const digest = at === -1 ? undefined : ref.slice(at + 1);
  const refuse = (reason: string): IsthmusError =>
    new IsthmusError("INVALID_IMAGE_REF", { value: ref.slice(0, referenceLimits.chars), reason });
  if (digest !== undefined && !isDigest(digest)) throw refuse("after '@' comes sha256: and 64 hex digits");
  if (digest === undefined && /^sha256:[0-9a-f]+$/.test(named)) throw refuse("a digest alone tells no registry; write NAME@sha256:…");
  const full = parseTag(named);
  const colon = full.lastIndexOf(":");
  return {
    ...registryOf(named),
    tag: digest === undefined ? full.slice(colon + 1) : undefined,
    digest,
    name: full.slice(0, colon),
  };
}
