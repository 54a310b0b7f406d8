import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Image } from "@isthmus/contract";
import { IsthmusError } from "@isthmus/contract";
import { writeDurable } from "./durable.ts";
import { isMissing } from "./failures.ts";
import { isObject } from "./json.ts";
import { hexOf, isDigest } from "./reference.ts";

/** What is written once about an image, beside its blobs and rootfs. */
export interface ImageRecord extends Omit<Image, "tags" | "repoDigests" | "createdAt" | "builtIn"> {
  /** manifest, config and layers */
  readonly blobs: readonly string[];
}

/** What may change: the index file holds one for each image, and an image exists when it stands there. */
export interface IndexEntry {
  readonly tags: readonly string[];
  /** NAME@sha256:… of the manifest and of the indexes that it was pulled by */
  readonly repoDigests?: readonly string[] | undefined;
  readonly createdAt: string;
  readonly builtIn: boolean;
}

export type IndexEntries = ReadonlyMap<string, IndexEntry>;

const FILE = "index.json";
const VERSION = 1;
/** An image that many indexes hold, each pulled in its turn, forgets the oldest. */
const REPO_DIGESTS_MAX = 32;

function failed(reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("STORE_FAILED", { reason: `the image store's ${FILE} ${reason}` }, { cause });
}

function isEntry(value: unknown): value is IndexEntry {
  return (
    isObject(value) &&
    Array.isArray(value.tags) &&
    value.tags.every((tag) => typeof tag === "string") &&
    (value.repoDigests === undefined || (Array.isArray(value.repoDigests) && value.repoDigests.every((one) => typeof one === "string"))) &&
    typeof value.createdAt === "string" &&
    typeof value.builtIn === "boolean"
  );
}

/** Undefined when there is none yet. Throws STORE_FAILED when it cannot be understood: nothing is swept then. */
export async function readIndex(folder: string): Promise<Map<string, IndexEntry> | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, FILE), "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw failed("cannot be read", error);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw failed("is damaged", error);
  }
  if (!isObject(document) || document.version !== VERSION || !isObject(document.images)) throw failed("is of an unknown form");
  const entries = new Map<string, IndexEntry>();
  for (const [digest, entry] of Object.entries(document.images)) {
    if (!isDigest(digest) || !isEntry(entry)) throw failed("has a damaged entry");
    const { tags, repoDigests, createdAt, builtIn } = entry;
    entries.set(digest, { tags, repoDigests, createdAt, builtIn });
  }
  return entries;
}

export async function writeIndex(folder: string, entries: IndexEntries): Promise<void> {
  await writeDurable(join(folder, FILE), `${JSON.stringify({ version: VERSION, images: Object.fromEntries(entries) })}\n`);
}

/** `entries` with `tags` moved to `digest`, which is added when it is new. */
export function withTags(
  entries: IndexEntries,
  digest: string,
  tags: readonly string[],
  fresh: Omit<IndexEntry, "tags">,
): Map<string, IndexEntry> {
  const moved = new Set(tags);
  const next = new Map<string, IndexEntry>();
  for (const [other, entry] of entries) next.set(other, { ...entry, tags: entry.tags.filter((tag) => !moved.has(tag)) });
  const own = next.get(digest) ?? { ...fresh, tags: [] };
  const repoDigests = [...new Set([...(own.repoDigests ?? []), ...(fresh.repoDigests ?? [])])].slice(-REPO_DIGESTS_MAX);
  next.set(digest, {
    ...own,
    repoDigests: repoDigests.length === 0 ? undefined : repoDigests,
    builtIn: own.builtIn || fresh.builtIn,
    tags: [...new Set([...own.tags, ...moved])].sort(),
  });
  return next;
}

export function recordPath(folder: string, digest: string): string {
  return join(folder, "images", `${hexOf(digest)}.json`);
}

export function blobPath(folder: string, digest: string): string {
  return join(folder, "blobs", "sha256", hexOf(digest));
}

export function rootfsPath(folder: string, { digest, rootfsFormat }: Pick<ImageRecord, "digest" | "rootfsFormat">): string {
  return join(folder, "rootfs", `${hexOf(digest)}.${rootfsFormat}`);
}
