import { defaults, formatBytes, limits } from "@isthmus/contract";
import { Command } from "commander";
import { archiveSource } from "../archive/source.ts";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { size } from "../parse/amounts.ts";
import { labels } from "../parse/environment.ts";

interface ImportOptions {
  readonly size?: number;
  readonly label?: readonly string[];
  readonly tenant?: string;
}

export function volumeImport(context: Context): Command {
  return new Command("import")
    .description("Make a volume of a tar archive, a folder, or - for an archive on stdin. Prints its name.")
    .argument("<new-volume>", "its name, which must be free")
    .argument("<source>", "file, folder or -")
    .option(
      "--size <size>",
      `what it can hold at most, such as 20g; ${formatBytes(defaults.volumeBytes)} when absent`,
      size("--size", limits.diskMinBytes, limits.diskMaxBytes),
    )
    .option("-l, --label <key[=value]>", "label (repeatable)", collect)
    .option("--tenant <name>", "whose machines may mount it; the token's tenant when absent, else it is the host's")
    .addHelpText(
      "after",
      examples([
        ["isthmus volume import data data.tar"],
        ["isthmus volume export data | isthmus volume import copy -", "a copy of a volume"],
        ["isthmus volume export data | isthmus volume import team-data - --tenant team-a", "for the machines of a tenant"],
      ]),
    )
    .action(async (name: string, source: string, options: ImportOptions) => {
      const isthmus = await context.client();
      const archive = archiveSource(context, source);
      const { size: sizeBytes, label = [], tenant } = options;
      const volume = await isthmus.volumes.import({ name, sizeBytes, labels: labels(label), tenant }, archive);
      if (context.json) return context.printJson(volume);
      await context.print(`${volume.name}\n`);
    });
}
