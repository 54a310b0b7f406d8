import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import { IsthmusError } from "@isthmus/contract";
import { INITRAMFS_MAX_BYTES, PROBE_DEADLINE_MS } from "./config.ts";

const unzip = promisify(gunzip);
const unzstd = promisify(zstdDecompress);
const SUFFIX = /\.ko(\.(gz|xz|zst))?$/;

/** `virtio-rng.ko.xz` → `virtio_rng`: the kernel takes '-' and '_' for the same (kmod's `underscores`). Undefined for any other file. */
export function moduleName(file: string): string | undefined {
  return SUFFIX.test(file) ? file.replace(SUFFIX, "").replaceAll("-", "_") : undefined;
}

async function unxz(path: string): Promise<Buffer> {
  const child = spawn("xz", ["-dc", path], { stdio: ["ignore", "pipe", "ignore"], timeout: PROBE_DEADLINE_MS });
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= INITRAMFS_MAX_BYTES) chunks.push(chunk);
  });
  const status = await new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code) => resolve(code === 0 ? "" : `status ${code}`));
  });
  if (status !== "" || bytes > INITRAMFS_MAX_BYTES)
    throw new IsthmusError("HOST_COMMAND_FAILED", { program: "xz", reason: status || "too large" });
  return Buffer.concat(chunks);
}

/** The module as the kernel takes it: uncompressed ELF. Throws HOST_COMMAND_FAILED (xz). */
export async function readModule(path: string): Promise<Buffer> {
  if (path.endsWith(".xz")) return unxz(path);
  const bytes = await readFile(path);
  if (path.endsWith(".gz")) return unzip(bytes, { maxOutputLength: INITRAMFS_MAX_BYTES });
  if (path.endsWith(".zst")) return unzstd(bytes, { maxOutputLength: INITRAMFS_MAX_BYTES });
  return bytes;
}

/**
 * Names in the `depends=` line of a module's .modinfo. It is read from the module and not from modules.dep, which depmod makes at installation: a
 * package that was only unpacked has none.
 */
export function moduleDependencies(elf: Buffer): readonly string[] {
  const at = elf.indexOf("\0depends=", 0, "latin1");
  if (at < 0) return [];
  const start = at + "\0depends=".length;
  const end = elf.indexOf(0, start);
  const text = elf.toString("latin1", start, end < 0 ? start : end);
  return text === "" ? [] : text.split(",").map((name) => name.replaceAll("-", "_"));
}
