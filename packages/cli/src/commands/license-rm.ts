import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function licenseRm(context: Context): Command {
  return new Command("rm")
    .description("Remove licence pools.")
    .argument("<pool...>", "name of a pool")
    .option("-f, --force", "also while machines hold seats; they keep running")
    .addHelpText("after", examples([["isthmus license rm matlab"]]))
    .action((names: string[], { force }: { readonly force?: boolean }) =>
      eachTarget(context, names, (isthmus, name) => isthmus.licences.remove(name, { force })),
    );
}
