import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function templateRm(context: Context): Command {
  return new Command("rm")
    .description("Remove templates; machines that were cloned from them go on.")
    .argument("<template...>", "key, or its first characters (4 at least)")
    .addHelpText("after", examples([["isthmus template rm 3f9a2b"]]))
    .action((keys: string[]) => eachTarget(context, keys, (isthmus, key) => isthmus.templates.remove(key)));
}
