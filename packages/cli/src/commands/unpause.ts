import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function unpause(context: Context): Command {
  return new Command("unpause")
    .description("Let paused machines go on.")
    .argument("<machine...>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus unpause web"]]))
    .action((refs: string[]) => eachTarget(context, refs, (isthmus, ref) => isthmus.machines.unpause(ref)));
}
