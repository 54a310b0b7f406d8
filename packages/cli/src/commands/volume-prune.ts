import { formatBytes } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";

export function volumePrune(context: Context): Command {
  return new Command("prune")
    .description("Remove anonymous volumes that no machine names, not even one that has ended.")
    .option("-a, --all", "those with names too")
    .addHelpText("after", examples([["isthmus volume prune"], ["isthmus volume prune --all", "everything that no machine names"]]))
    .action(async ({ all }: { readonly all?: boolean }) => {
      const isthmus = await context.client();
      const removed = await isthmus.volumes.prune({ all });
      if (context.json) return context.printJson(removed);
      const bytes = removed.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
      await context.print(`${removed.map(({ name }) => `${name}\n`).join("")}Freed: ${formatBytes(bytes)}\n`);
    });
}
