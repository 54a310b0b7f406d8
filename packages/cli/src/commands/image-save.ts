import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";
import { write } from "../terminal/write.ts";

export function imageSave(context: Context, name: string): Command {
  return new Command(name)
    .description("Write images to an OCI archive, which docker load, skopeo and isthmus load read.")
    .argument("<image...>", "NAME, NAME:TAG or a digest")
    .option("-o, --output <file>", "file to write; stdout when absent")
    .addHelpText("after", examples([["isthmus image save -o web.tar web:1"], ["isthmus image save web:1 | docker load"]]))
    .action(async (refs: string[], { output }: { readonly output?: string }) => {
      const { stdout } = context.world;
      if (output === undefined && stdout.isTTY) throw usage(context, "an archive is not written to a terminal; name a file with -o");
      if (output === undefined && context.json) throw usage(context, "with --json the archive needs a file: -o");
      const isthmus = await context.client();
      const archive = await isthmus.images.save(refs);
      if (output === undefined) {
        for await (const piece of archive) {
          const bytes: Buffer = piece;
          await write(stdout, bytes);
        }
        return;
      }
      await writeWhole(archive, output);
      if (context.json) await context.printJson({ images: refs, path: output });
    });
}

/** A file of that name is there as a whole or, as before, not at all. Throws LOCAL_FILE, DAEMON_UNREACHABLE. */
async function writeWhole(archive: NodeJS.ReadableStream, path: string): Promise<void> {
  const part = `${path}.part-${process.pid}`;
  const found = await stat(path).catch(() => undefined);
  try {
    // A pipe or device is written to; a file in its place would be of no use.
    if (found !== undefined && !found.isFile()) return await pipeline(archive, createWriteStream(path));
    await pipeline(archive, createWriteStream(part, { flags: "wx", mode: 0o644 }));
    await rename(part, path);
  } catch (cause) {
    await rm(part, { force: true });
    const { code, path: at } = (cause ?? {}) as NodeJS.ErrnoException;
    if (hasCode(cause) || at === undefined)
      throw new IsthmusError(
        "DAEMON_UNREACHABLE",
        { address: "its socket", reason: `the archive was cut off (${code ?? "no reason"})` },
        { cause },
      );
    throw new IsthmusError("LOCAL_FILE", { path, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}
