import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";

export function networkPrune(context: Context): Command {
  return new Command("prune")
    .description("Remove networks that no machine has addresses of, not even one that has ended.")
    .addHelpText("after", examples([["isthmus network prune"]]))
    .action(async () => {
      const isthmus = await context.client();
      const removed = await isthmus.networks.prune();
      if (context.json) return context.printJson(removed);
      await context.print(removed.map(({ name }) => `${name}\n`).join(""));
    });
}
