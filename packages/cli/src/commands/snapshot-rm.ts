import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function snapshotRm(context: Context): Command {
  return new Command("rm")
    .description("Remove snapshots; machines that were cloned from them go on.")
    .argument("<snapshot...>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus snapshot rm before"], ["isthmus snapshot rm $(isthmus snapshot ls -q)", "all of them"]]))
    .action((refs: string[]) => eachTarget(context, refs, (isthmus, ref) => isthmus.snapshots.remove(ref)));
}
