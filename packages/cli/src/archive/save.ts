import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { IsthmusError } from "@isthmus/contract";
import type { Context } from "../context.ts";
import { write } from "../terminal/write.ts";

/** An archive to stdout, or to a file; a half of an archive is none. Throws LOCAL_FILE. */
export async function saveArchive(context: Context, archive: NodeJS.ReadableStream, output: string | undefined): Promise<void> {
  if (output === undefined) {
    for await (const piece of archive) await write(context.world.stdout, Buffer.from(piece));
    return;
  }
  try {
    await pipeline(archive, createWriteStream(output));
  } catch (cause) {
    await rm(output, { force: true });
    if (cause instanceof IsthmusError) throw cause;
    throw new IsthmusError("LOCAL_FILE", { path: output, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}
