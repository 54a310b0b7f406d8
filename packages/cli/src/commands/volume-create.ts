import { defaults, formatBytes, limits } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { size } from "../parse/amounts.ts";
import { labels } from "../parse/environment.ts";

interface CreateOptions {
  readonly size?: number;
  readonly label?: readonly string[];
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
    .addHelpText(
      "after",
      examples([
        ["isthmus volume create data --size 20g"],
        ["isthmus run -d -v data:/var/lib/postgresql/data postgres", "run makes a volume that is missing"],
      ]),
    )
    .action(async (name: string | undefined, options: CreateOptions) => {
      const isthmus = await context.client();
      const volume = await isthmus.volumes.create({ name, sizeBytes: options.size, labels: labels(options.label ?? []) });
      if (context.json) return context.printJson(volume);
      await context.print(`${volume.name}\n`);
    });
}
