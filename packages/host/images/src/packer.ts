import { type ChildProcess, spawn } from "node:child_process";
import { chmod, chown, lstat, mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { IsthmusError } from "@isthmus/contract";
import { packerLimits, packing } from "./config.ts";
import { badImage, throwIfCancelled } from "./failures.ts";
import { findProgram } from "./programs.ts";
import { type RootAttributes, setRoot } from "./squashfs-root.ts";

/** How much a rootfs holds. */
export interface Extent {
  readonly contentBytes: number;
  readonly names: number;
}

/** What is known of a rootfs once all of its tar was written. */
export interface PackedTree extends Extent {
  readonly root: RootAttributes;
  /** owners and groups of all files */
  readonly ids: ReadonlySet<number>;
}

export interface PackRequest {
  /** empty folder of ours that the packer may write into */
  readonly folder: string;
  /** one clean tar of everything below the root */
  readonly tar: Readable;
  /** bounds the packer's output while it writes */
  readonly atMost: Extent;
  /** asked after the end of the tar; what it throws is thrown */
  readonly tree: () => PackedTree;
  readonly signal?: AbortSignal;
}

/** Turns a clean tar into a read-only file-system image. Throws BAD_IMAGE, DISK_FULL, ENGINE_MISSING, HOST_COMMAND_FAILED, CANCELLED. */
export interface Packer {
  readonly format: "squashfs";
  /** Path of the image, inside `request.folder`, owned by us and no longer written by anybody. */
  pack(request: PackRequest): Promise<string>;
}

const OUTPUT = "rootfs.squashfs";

export interface PackerOptions {
  readonly compressor?: "lz4" | "zstd" | "gzip" | "none";
  readonly mksquashfs?: string;
}

/** mksquashfs as nobody (when we are root), without new privileges, with bounded memory, time and output, and an empty environment. */
export function squashfsPacker(options: PackerOptions = {}): Packer {
  return {
    format: "squashfs",
    pack: async (request) => {
      throwIfCancelled(request.signal, "packing");
      const argv = await confined(request, await mksquashfsArguments(options));
      await mkdir(request.folder, { recursive: true, mode: 0o700 });
      const root = process.getuid?.() === 0;
      if (root) await chown(request.folder, packing.uid, packing.gid);
      await run(argv, request);
      return await takeOver(request, root);
    },
  };
}

async function mksquashfsArguments(options: PackerOptions): Promise<readonly string[]> {
  const compressor = options.compressor ?? packing.compressor;
  const compression = compressor === "none" ? ["-noD", "-noF", "-noX"] : ["-comp", compressor];
  return [
    options.mksquashfs ?? (await findProgram("mksquashfs", "squashfs-tools")),
    "-",
    OUTPUT,
    "-tar",
    // Inodes stay plain: they are patched afterwards, and a guest finds them without decompressing.
    "-noI",
    ...compression,
    ...["-b", `${packing.blockBytes}`, "-processors", `${availableParallelism()}`, "-mem", `${packerLimits.cacheBytes >> 20}M`],
    ...["-noappend", "-no-recovery", "-no-progress", "-quiet", "-exit-on-error", "-mkfs-time", "0"],
  ];
}

function outputBytes({ contentBytes, names }: Extent): number {
  return contentBytes + names * packerLimits.outputBytesPerEntry + packerLimits.outputExtraBytes;
}

async function confined(request: PackRequest, command: readonly string[]): Promise<readonly string[]> {
  const drop = ["--reuid", `${packing.uid}`, "--regid", `${packing.gid}`, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"];
  return [
    await findProgram("prlimit", "util-linux"),
    `--as=${packerLimits.memoryBytes}`,
    `--fsize=${outputBytes(request.atMost)}`,
    `--cpu=${packerLimits.cpuSeconds}`,
    `--nofile=${packerLimits.openFiles}`,
    "--core=0",
    "--",
    await findProgram("setpriv", "util-linux"),
    "--no-new-privs",
    ...["--pdeathsig", "KILL"],
    ...(process.getuid?.() === 0 ? drop : []),
    "--",
    ...command,
  ];
}

/** The folder is entered before the identity changes: the packer needs no right on the folders above it. */
async function run(argv: readonly string[], request: PackRequest): Promise<void> {
  const [program = "", ...rest] = argv;
  const child = spawn(program, rest, { cwd: request.folder, env: {}, stdio: ["pipe", "ignore", "pipe"], detached: true });
  const stderr = tail(child);
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; failure?: Error }>((resolve) => {
    child.once("error", (failure) => resolve({ code: null, signal: null, failure }));
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const feed = pipeline(request.tar, child.stdin, { signal: request.signal }).then(
    () => undefined,
    (error: unknown) => {
      // A packer that died reports itself; anything else is the tar's own failure, and a tar that stops early must never become an image.
      if (!isBrokenPipe(error)) killGroup(child);
      return error;
    },
  );
  const end = await ended;
  killGroup(child);
  request.tar.destroy();
  const feedError = await feed;
  throwIfCancelled(request.signal, "packing");
  if (feedError !== undefined && !isBrokenPipe(feedError)) throw feedError;
  if (end.failure !== undefined)
    throw new IsthmusError("HOST_COMMAND_FAILED", { program, reason: end.failure.message }, { cause: end.failure });
  judge(end, stderr());
}

function judge(end: { readonly code: number | null; readonly signal: NodeJS.Signals | null }, stderr: string): void {
  if (end.signal !== null) throw badImage(`the packer was ended by ${end.signal}`);
  if (end.code === 0) return;
  if (/No space left on device|Disk quota exceeded/.test(stderr)) throw new IsthmusError("DISK_FULL", { what: "the rootfs image" });
  const reason = stderr.trim().split("\n").slice(0, 3).join("; ") || `exit code ${end.code}`;
  throw new IsthmusError("HOST_COMMAND_FAILED", { program: "mksquashfs", reason });
}

function isBrokenPipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "EPIPE" || error.code === "ECONNRESET" || error.code === "ERR_STREAM_PREMATURE_CLOSE")
  );
}

function tail(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (piece: string) => {
    if (text.length < packerLimits.stderrBytes) text += piece.slice(0, packerLimits.stderrBytes - text.length);
  });
  return () => text;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nobody of the group is left.
  }
}

/** The packer read hostile input: what it left is taken only as a plain file that begins like a squashfs. */
async function takeOver(request: PackRequest, root: boolean): Promise<string> {
  const path = join(request.folder, OUTPUT);
  if (root) await chown(request.folder, 0, 0);
  const found = await lstat(path).catch((error: unknown) => {
    throw badImage("the packer left no image", error);
  });
  if (!found.isFile() || found.nlink !== 1) throw badImage("the packer left something that is no file");
  const tree = request.tree();
  if (found.size > outputBytes(tree)) throw badImage("the packer left more than its content can come to");
  if (root) await chown(path, 0, 0);
  await setRoot(path, tree.root, tree.ids, { uid: found.uid, gid: found.gid });
  await chmod(path, 0o444);
  return path;
}
