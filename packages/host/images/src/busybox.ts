import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { hasCode, type Image, IsthmusError } from "@isthmus/contract";
import type { LocalImageStore } from "./image-store.ts";
import type { EntryType } from "./tar-header.ts";
import { encodeEntry, endOfTar, padding } from "./tar-writer.ts";

/** Where Debian's busybox-static puts it. */
export const BUSYBOX_PATH = "/bin/busybox";
const TAG = "busybox:latest";
const LABEL = "org.isthmus.busybox";
/** Raised when the files below change, so that stores take the new image. */
const RECIPE = 1;
const APPLETS_MAX = 1000;
const APPLET_LIST_BYTES = 65_536;
const LIST_TIMEOUT_MS = 10_000;

const folders: readonly (readonly [name: string, mode: number])[] = [
  ...["bin", "dev", "etc", "home", "lib", "mnt", "proc", "run", "sbin", "sys", "usr", "usr/bin", "usr/lib", "usr/sbin", "var"].map(
    (name): [string, number] => [name, 0o755],
  ),
  ...["var/lib", "var/log", "var/spool"].map((name): [string, number] => [name, 0o755]),
  ["root", 0o700],
  ["tmp", 0o1777],
  ["var/tmp", 0o1777],
];

const files: Readonly<Record<string, string>> = {
  "etc/passwd": [
    "root:x:0:0:root:/root:/bin/sh",
    "daemon:x:1:1:daemon:/usr/sbin:/bin/false",
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
  ].join("\n"),
  "etc/group": ["root:x:0:", "daemon:x:1:", "tty:x:5:", "nogroup:x:65534:\n"].join("\n"),
  "etc/shadow": "root:*:::::::\nnobody:*:::::::\n",
  "etc/hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
  "etc/hostname": "localhost\n",
  "etc/resolv.conf": "",
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  "etc/profile": "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
};

async function runList(path: string): Promise<string> {
  const child = spawn(path, ["--list-full"], {
    env: {},
    stdio: ["ignore", "pipe", "ignore"],
    timeout: LIST_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    if (text.length < APPLET_LIST_BYTES) text += piece;
  });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await Promise.race([closed, failed]);
  return text;
}

/** Paths of busybox's applets, such as `bin/ls`. */
async function appletsOf(path: string): Promise<readonly string[]> {
  const names = (await runList(path))
    .split("\n")
    .filter((name) => /^(bin|sbin|usr\/bin|usr\/sbin)\/[\w[.-]+$/.test(name) && name !== "bin/busybox");
  if (names.length === 0 || names.length > APPLETS_MAX)
    throw new IsthmusError("HOST_COMMAND_FAILED", { program: path, reason: "it lists no applets" });
  return names;
}

async function readBusybox(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new IsthmusError("ENGINE_MISSING", { program: "busybox", package: "busybox-static" }, { cause: error });
  }
}

function entry(name: string, type: EntryType, mode: number, content: Buffer = Buffer.alloc(0), target = ""): Buffer {
  const attributes = { mode, uid: 0, gid: 0, mtime: 0, major: 0, minor: 0, xattrs: undefined };
  return Buffer.concat([encodeEntry({ name, type, size: content.length, target, ...attributes }), content, padding(content.length)]);
}

async function* busyboxTar(path: string, binary: Buffer): AsyncGenerator<Buffer> {
  const applets = await appletsOf(path);
  yield entry("./", "directory", 0o755);
  for (const [name, mode] of folders) yield entry(name, "directory", mode);
  yield entry("bin/busybox", "file", 0o755, binary);
  for (const applet of applets) yield entry(applet, "symlink", 0o777, undefined, "/bin/busybox");
  for (const [name, text] of Object.entries(files)) yield entry(name, "file", name === "etc/shadow" ? 0o600 : 0o644, Buffer.from(text));
  yield endOfTar;
}

/** A small root file system around a static busybox, as a tar stream. Throws ENGINE_MISSING (in the stream) when it is not there. */
export function busyboxRootfs(busyboxPath: string = BUSYBOX_PATH): Readable {
  const tar = async function* (): AsyncGenerator<Buffer> {
    yield* busyboxTar(busyboxPath, await readBusybox(busyboxPath));
  };
  return Readable.from(tar(), { objectMode: false });
}

/**
 * Keeps `busybox:latest` made from this host's busybox: imports it when there is none or when the program changed. An image that the user gave that name
 * stays. Throws ENGINE_MISSING when busybox is not installed.
 */
export async function ensureBuiltIn(store: LocalImageStore, busyboxPath: string = BUSYBOX_PATH): Promise<Image> {
  const binary = await readBusybox(busyboxPath);
  const version = `${RECIPE}-${createHash("sha256").update(binary).digest("hex")}`;
  const present = await store.resolve(TAG).catch((error: unknown) => {
    if (hasCode(error, "IMAGE_NOT_FOUND", "BAD_IMAGE")) return undefined;
    throw error;
  });
  if (present !== undefined && (!present.builtIn || present.config.labels[LABEL] === version)) return present;
  return await store.importTar(busyboxRootfs(busyboxPath), {
    ref: TAG,
    command: ["sh"],
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    labels: { [LABEL]: version },
    builtIn: true,
  });
}
