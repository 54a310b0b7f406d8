import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

interface RmOptions {
  readonly force?: boolean;
  readonly volumes?: boolean;
}

export function rm(context: Context): Command {
  return new Command("rm")
    .description("Remove machines with their writable layers and output.")
    .argument("<machine...>", "id, name or beginning of an id")
    .option("-f, --force", "kill them first when they run")
    .option("-v, --volumes", "the volumes without a name that were made for them too; those of run --rm go anyway")
    .addHelpText("after", examples([["isthmus rm web"], ["isthmus rm -f $(isthmus ps -q)", "everything that runs"]]))
    .action((refs: string[], options: RmOptions) =>
      eachTarget(context, refs, async (isthmus, ref) => {
        await isthmus.machines.remove(ref, { force: options.force, volumes: options.volumes });
        return { removed: ref };
      }),
    );
}
