import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function suspend(context: Context): Command {
  return new Command("suspend")
    .description(
      "Save machines to disk and end their processes: they cost no memory and outlast a restart of this host. Connections to them end; resume lets them go on.",
    )
    .argument("<machine...>", "id, name or beginning of an id")
    .addHelpText(
      "after",
      examples([
        ["isthmus suspend web"],
        ["isthmus run -d --idle-suspend 5m --resume-on-contact -p 80 web:1", "by itself, and back on demand"],
      ]),
    )
    .action((refs: string[]) => eachTarget(context, refs, (isthmus, ref) => isthmus.machines.suspend(ref)));
}
