import { defaults, formatBytes, limits } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { size } from "../parse/amounts.ts";
import { labels } from "../parse/environment.ts";

interface CreateOptions {
  readonly size?: number;
  readonly label?: readonly string[];
  readonly tenant?: string;
}

export function volumeCreate(context: Context): Command {
  return new Command("create")
    .description("Make an empty volume: a file system of its own that outlives the machines that mount it. Prints its name.")
    .argument("[new-volume]", "its name; made up when absent")
    .option(
      "--size <size>",
      `what it can hold at most, such as 20g; ${formatBytes(defaults.volumeBytes)} when absent. On the host it takes what is in it`,
      size("--size", limits.diskMinBytes, limits.diskMaxBytes),
    )
    .option("-l, --label <key[=value]>", "label (repeatable)", collect)
    .option("--tenant <name>", "whose machines may mount it; the token's tenant when absent, else it is the host's")
    .addHelpText(
      "after",
      examples([
        ["isthmus volume create data --size 20g"],
        ["isthmus volume create team-data --tenant team-a", "for the machines of a tenant"],
        ["isthmus run -d -v data:/var/lib/postgresql/data postgres", "run makes a volume that is missing"],
      ]),
    )
    .action(async (name: string | undefined, options: CreateOptions) => {
      const isthmus = await context.client();
      const { size: sizeBytes, label = [], tenant } = options;
      const volume = await isthmus.volumes.create({ name, sizeBytes, labels: labels(label), tenant });
      if (context.json) return context.printJson(volume);
      await context.print(`${volume.name}\n`);
    });
}
