import { Command } from "commander";
import { saveArchive } from "../archive/save.ts";
import type { Context } from "../context.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";

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
      await saveArchive(context, archive, output);
      if (output !== undefined && context.json) await context.printJson({ volume: name, output });
    });
}
