import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function networkRm(context: Context): Command {
  return new Command("rm")
    .description("Remove networks that no machine has addresses of.")
    .argument("<network...>", "name")
    .addHelpText("after", examples([["isthmus network rm web"]]))
    .action((names: string[]) => eachTarget(context, names, (isthmus, name) => isthmus.networks.remove(name)));
}
