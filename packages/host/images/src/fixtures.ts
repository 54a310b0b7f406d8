import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, lstat, mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { createImageStore, type ImageStoreOptions, type LocalImageStore } from "./image-store.ts";
import { hostPlatform } from "./planned-image.ts";
import type { EntryType } from "./tar-header.ts";
import { encodeEntry, endOfTar, type NewEntry, padding } from "./tar-writer.ts";

/** Things that several tests of this package make: hostile and ordinary tars, archives, stores in temporary folders. */

const run = promisify(execFile);

export interface TestEntry extends Partial<Omit<NewEntry, "type" | "size">> {
  readonly name: string;
  readonly type?: EntryType;
  readonly content?: string | Buffer;
}

export function entry(fields: TestEntry): Buffer {
  const content = Buffer.from(fields.content ?? "");
  const header: NewEntry = {
    type: "file",
    mode: fields.type === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: 1_000_000_000,
    target: "",
    major: 0,
    minor: 0,
    xattrs: undefined,
    ...fields,
    size: content.length,
  };
  return Buffer.concat([encodeEntry(header), content, padding(content.length)]);
}

export const file = (name: string, content: string | Buffer = name, more: Partial<TestEntry> = {}): Buffer =>
  entry({ name, content, ...more });
export const folder = (name: string, more: Partial<TestEntry> = {}): Buffer => entry({ name, type: "directory", ...more });
export const symlink = (name: string, target: string): Buffer => entry({ name, type: "symlink", target, mode: 0o777 });
export const hardLink = (name: string, target: string): Buffer => entry({ name, type: "link", target });

export function tar(...entries: readonly Buffer[]): Buffer {
  return Buffer.concat([...entries, endOfTar]);
}

/** Overwrites bytes of a header block and makes its checksum right again. */
export function patched(block: Buffer, patches: Readonly<Record<number, string>>): Buffer {
  const copy = Buffer.from(block);
  for (const [offset, text] of Object.entries(patches)) copy.write(text, Number(offset), "latin1");
  copy.write("        ", 148, "latin1");
  let sum = 0;
  for (const byte of copy.subarray(0, 512)) sum += byte;
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return copy;
}

/** A PAX header with these records, for the entry that follows. */
export function pax(body: string): Buffer {
  const content = Buffer.from(body, "latin1");
  const block = patched(encodeEntry({ ...headerOf("PaxHeaders/x"), size: content.length }), { 156: "x" });
  return Buffer.concat([block, content, padding(content.length)]);
}

export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return `${length}${rest}`;
}

export function headerOf(name: string): NewEntry {
  return { name, type: "file", mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0, target: "", major: 0, minor: 0, xattrs: undefined };
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Bytes as a stream in pieces of `pieceBytes`. */
export function streamOf(bytes: Buffer, pieceBytes = 65_536): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  return Readable.from(pieces, { objectMode: false });
}

export interface OciOptions {
  readonly layers: readonly { readonly blob: Buffer; readonly plain?: Buffer; readonly mediaType?: string }[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly architecture?: string;
}

export interface OciImage {
  readonly blobs: Map<string, Buffer>;
  readonly descriptor: {
    mediaType: string;
    digest: string;
    size: number;
    annotations?: Readonly<Record<string, string>>;
    platform?: unknown;
  };
  readonly manifest: { config: { digest: string; size: number }; layers: { digest: string; size: number; mediaType: string }[] };
}

export function descriptorOf(bytes: Buffer, mediaType: string): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

/** An OCI image as blobs and the descriptor of its manifest. */
export function ociImage(options: OciOptions): OciImage {
  const blobs = new Map<string, Buffer>();
  const put = (bytes: Buffer, mediaType: string): { mediaType: string; digest: string; size: number } => {
    const descriptor = descriptorOf(bytes, mediaType);
    blobs.set(descriptor.digest, bytes);
    return descriptor;
  };
  const config = {
    architecture: options.architecture ?? hostPlatform().architecture,
    os: "linux",
    config: options.config ?? { Cmd: ["/bin/sh"] },
    rootfs: { type: "layers", diff_ids: options.layers.map(({ blob, plain }) => sha256(plain ?? blob)) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: put(Buffer.from(JSON.stringify(config)), "application/vnd.oci.image.config.v1+json"),
    layers: options.layers.map(({ blob, mediaType }) => put(blob, mediaType ?? "application/vnd.oci.image.layer.v1.tar")),
  };
  const descriptor = put(Buffer.from(JSON.stringify(manifest)), manifest.mediaType);
  return {
    blobs,
    manifest,
    descriptor: options.annotations === undefined ? descriptor : { ...descriptor, annotations: options.annotations },
  };
}

/** An OCI archive: what `skopeo copy … oci-archive:` writes. */
export function ociArchive(manifests: readonly unknown[], blobs: ReadonlyMap<string, Buffer>): Buffer {
  return tar(
    file("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" })),
    file("index.json", JSON.stringify({ schemaVersion: 2, manifests })),
    ...[...blobs].map(([digest, bytes]) => file(`blobs/sha256/${digest.slice(7)}`, bytes)),
  );
}

export interface TestStore extends AsyncDisposable {
  readonly folder: string;
  readonly store: LocalImageStore;
}

/** A store in a temporary folder that goes with it. */
export async function testStore(options: Omit<ImageStoreOptions, "folder"> = {}): Promise<TestStore> {
  const base = await mkdtemp(join(tmpdir(), "isthmus-images-"));
  const path = join(base, "images");
  const store = await createImageStore({ folder: path, ...options });
  return { folder: path, store, [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }) };
}

/** Every name below `root` with what there is to know about it: equal lists mean an untouched tree. */
export async function listTree(root: string, prefix = ""): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(join(root, prefix))).sort()) {
    const path = join(prefix, name);
    const found = await lstat(join(root, path));
    const content = found.isFile()
      ? sha256(await readFile(join(root, path)))
      : found.isSymbolicLink()
        ? await readlink(join(root, path))
        : "";
    lines.push(
      `${path} ${found.mode.toString(8)} ${found.uid}:${found.gid} ${found.isDirectory() ? "" : Math.floor(found.mtimeMs / 1000)} ${content}`,
    );
    if (found.isDirectory()) lines.push(...(await listTree(root, path)));
  }
  return lines;
}

/** Names of files in the store, without those that every store has. */
export async function leftovers(storeFolder: string): Promise<string[]> {
  return (await readdir(storeFolder, { recursive: true }))
    .filter((name) => !["blobs", "blobs/sha256", "images", "index.json", "rootfs", "tmp"].includes(name))
    .sort();
}

const SQUASH_ROOT = "squashfs-root";

/** What squashfs-tools' own reader sees, one line for each name below the root: `mode owner/group size date time name`, as `ls -l` with numbers. */
export async function unsquashList(path: string): Promise<string[]> {
  const { stdout } = await run("unsquashfs", ["-llnumeric", "-UTC", path], { encoding: "latin1", maxBuffer: 256 * 1024 * 1024 });
  return stdout
    .split("\n")
    .filter((line) => line.includes(`${SQUASH_ROOT}/`))
    .map((line) => line.replace(`${SQUASH_ROOT}/`, "").replace(/ +/g, " "));
}

/** Names below the root, sorted. */
export async function unsquashNames(path: string): Promise<string[]> {
  const { stdout } = await run("unsquashfs", ["-l", path], { encoding: "latin1", maxBuffer: 256 * 1024 * 1024 });
  const names = stdout.trimEnd().split(new RegExp(`\n(?=${SQUASH_ROOT}/)`));
  return names
    .slice(1)
    .map((name) => name.slice(SQUASH_ROOT.length + 1))
    .sort();
}

export async function unsquashCat(path: string, name: string): Promise<string> {
  const { stdout } = await run("unsquashfs", ["-cat", path, name], { encoding: "latin1", maxBuffer: 256 * 1024 * 1024 });
  return stdout;
}

export async function isInstalled(program: string): Promise<boolean> {
  return await access(join("/usr/bin", program)).then(
    () => true,
    () => false,
  );
}

/** Seed of this run's randomness: `SEED=…` repeats one. */
export const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
