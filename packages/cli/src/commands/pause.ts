import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function pause(context: Context): Command {
  return new Command("pause")
    .description("Stop machines' virtual CPUs; their memory stays and they cost nothing.")
    .argument("<machine...>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus pause web"]]))
    .action((refs: string[]) => eachTarget(context, refs, (isthmus, ref) => isthmus.machines.pause(ref)));
}
