import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";
import { startingShown } from "../stream/queue-view.ts";

export function resume(context: Context): Command {
  return new Command("resume")
    .description("Let suspended machines go on where they were; done when their guests answer.")
    .argument("<machine...>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus resume web"], ["isthmus resume $(isthmus ps -q --filter state=suspended)", "all of them"]]))
    .action((refs: string[]) =>
      eachTarget(context, refs, ({ machines }, ref) => startingShown(context, machines.handle(ref), refs, () => machines.resume(ref))),
    );
}
