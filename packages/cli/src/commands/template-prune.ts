import { formatBytes, limits } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { duration } from "../parse/amounts.ts";

export function templatePrune(context: Context): Command {
  return new Command("prune")
    .description("Remove templates that no machine was started from lately, and those that failed.")
    .option("--unused <duration>", "only those unused for so long, such as 12h", duration("--unused", 0, limits.ttlMaxMs), 0)
    .addHelpText("after", examples([["isthmus template prune"], ["isthmus template prune --unused 24h"]]))
    .action(async ({ unused }: { readonly unused: number }) => {
      const isthmus = await context.client();
      const removed = await isthmus.templates.prune({ unusedMs: unused });
      if (context.json) return context.printJson(removed);
      const bytes = removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      await context.print(`${removed.map(({ key }) => `${key}\n`).join("")}Freed: ${formatBytes(bytes)}\n`);
    });
}
