import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { IsthmusError } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";
import { write } from "../terminal/write.ts";

export function volumeExport(context: Context): Command {
  return new Command("export")
    .description("Write what is in a volume as a tar archive. Nobody may write to it meanwhile.")
    .argument("<volume>", "name")
    .option("-o, --output <file>", "file to write; stdout when absent")
    .addHelpText("after", examples([["isthmus volume export data -o data.tar"], ["isthmus volume export data | tar t"]]))
    .action(async (name: string, { output }: { readonly output?: string }) => {
      const { stdout } = context.world;
      if (output === undefined && stdout.isTTY) throw usage(context, "an archive is not written to a terminal; use -o FILE");
      const isthmus = await context.client();
      const archive = await isthmus.volumes.export(name);
      if (output !== undefined) {
        await save(archive, output);
        if (context.json) await context.printJson({ volume: name, output });
        return;
      }
      for await (const piece of archive) {
        const bytes: Buffer = piece;
        await write(stdout, bytes);
      }
    });
}

/** A half of an archive is none. */
async function save(archive: NodeJS.ReadableStream, output: string): Promise<void> {
  try {
    await pipeline(archive, createWriteStream(output));
  } catch (cause) {
    await rm(output, { force: true });
    if (cause instanceof IsthmusError) throw cause;
    throw new IsthmusError("LOCAL_FILE", { path: output, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}
