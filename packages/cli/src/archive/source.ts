import { spawn } from "node:child_process";
import { createReadStream, type Stats, statSync } from "node:fs";
import { PassThrough, type Readable } from "node:stream";
import { IsthmusError } from "@isthmus/contract";
import type { Context } from "../context.ts";
import { usage } from "../failure.ts";

/** bytes kept of what tar says on its stderr */
const TAR_STDERR_BYTES = 4096;

function localFile(path: string, cause: unknown): IsthmusError {
  return new IsthmusError("LOCAL_FILE", { path, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
}

/** A tar stream of what the user named: a file as it is, a folder as an archive of its content, `-` our stdin. Throws LOCAL_FILE, USAGE. */
export function archiveSource(context: Context, path: string): Readable {
  if (path === "-") {
    if (context.world.stdin.isTTY) throw usage(context, "an archive is read from stdin, which is a terminal");
    return context.world.stdin;
  }
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (cause) {
    throw localFile(path, cause);
  }
  return stats.isDirectory() ? folderArchive(path) : fileArchive(path);
}

function fileArchive(path: string): Readable {
  const file = createReadStream(path);
  const body = new PassThrough();
  file.on("error", (cause) => body.destroy(localFile(path, cause)));
  body.on("close", () => file.destroy());
  return file.pipe(body);
}

/** By the system's tar, which keeps owners, times, hard links, devices and extended attributes and follows no symbolic link. */
export function folderArchive(folder: string): Readable {
  const args = [
    "--create",
    "--file=-",
    "--format=posix",
    "--numeric-owner",
    "--xattrs",
    "--xattrs-include=*",
    `--directory=${folder}`,
    ".",
  ];
  const tar = spawn("tar", args, { stdio: ["ignore", "pipe", "pipe"] });
  const body = new PassThrough();
  let said = "";
  tar.stderr.setEncoding("utf8");
  tar.stderr.on("data", (text: string) => {
    said = (said + text).slice(-TAR_STDERR_BYTES);
  });
  tar.on("error", (cause) => body.destroy(localFile("tar", cause)));
  tar.on("close", (code, signal) => {
    if (code === 0) body.end();
    else
      body.destroy(
        new IsthmusError("LOCAL_FILE", { path: folder, reason: said.trim().split("\n")[0] || `tar ended with ${signal ?? code}` }),
      );
  });
  // Whoever stops reading early needs no more of it.
  body.on("close", () => tar.kill("SIGTERM"));
  return tar.stdout.pipe(body, { end: false });
}
