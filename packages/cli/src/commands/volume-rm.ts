import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function volumeRm(context: Context): Command {
  return new Command("rm")
    .description("Remove volumes that no machine names, with what is in them.")
    .argument("<volume...>", "name")
    .addHelpText("after", examples([["isthmus volume rm data"]]))
    .action((names: string[]) => eachTarget(context, names, (isthmus, name) => isthmus.volumes.remove(name)));
}
