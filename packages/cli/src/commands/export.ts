import { Command } from "commander";
import { saveArchive } from "../archive/save.ts";
import type { Context } from "../context.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";

export function exportMachine(context: Context): Command {
  return new Command("export")
    .description(
      "Write all of a machine's files as a tar archive, whether it runs or has ended. Volumes and folders of the host are left out.",
    )
    .argument("<machine>", "id, name or beginning of an id")
    .option("-o, --output <file>", "file to write; stdout when absent")
    .addHelpText(
      "after",
      examples([["isthmus export web -o web.tar"], ["isthmus export web | isthmus import - web-as-it-was", "as an image"]]),
    )
    .action(async (ref: string, { output }: { readonly output?: string }) => {
      if (output === undefined && context.world.stdout.isTTY) throw usage(context, "an archive is not written to a terminal; use -o FILE");
      const isthmus = await context.client();
      await saveArchive(context, await isthmus.machines.handle(ref).export(), output);
      if (output !== undefined && context.json) await context.printJson({ machine: ref, output });
    });
}
