import { formatBytes } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";

export function imagePrune(context: Context): Command {
  return new Command("prune")
    .description("Remove images without a name that no machine uses.")
    .option("-a, --all", "those with a name as well, but for the built-in one")
    .option("-f, --force", "taken for docker's sake: nothing is asked")
    .addHelpText("after", examples([["isthmus image prune"], ["isthmus image prune -a", "all that no machine uses"]]))
    .action(async ({ all }: { readonly all?: boolean }) => {
      const isthmus = await context.client();
      const pruning = await isthmus.images.prune({ all });
      if (context.json) return context.printJson(pruning);
      const lines = pruning.deleted.flatMap(({ tags, digest }) => [...tags.map((tag) => `Untagged: ${tag}`), `Deleted: ${digest}`]);
      await context.print(`${lines.map((line) => `${escapeControls(line)}\n`).join("")}Freed: ${formatBytes(pruning.freedBytes)}\n`);
    });
}
