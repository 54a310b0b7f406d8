import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function tokenRm(context: Context, name: string): Command {
  return new Command(name)
    .description("Revoke tokens, at once: connections that were made with them end within a second.")
    .argument("<token...>", "names or ids")
    .addHelpText("after", examples([["isthmus token rm ci"], ["isthmus token rm $(isthmus token ls -q)", "all of them"]]))
    .action((refs: string[]) => eachTarget(context, refs, (isthmus, ref) => isthmus.tokens.remove(ref)));
}
