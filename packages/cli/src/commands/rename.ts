import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";

export function rename(context: Context): Command {
  return new Command("rename")
    .description("Give a machine another name, in any state. What its guest calls itself stays as it is.")
    .argument("<machine>", "id, name or beginning of an id")
    .argument("<name>", "letters, digits, '_', '.' and '-', 63 at most")
    .addHelpText("after", examples([["isthmus rename calm-inlet web"]]))
    .action(async (ref: string, name: string) => {
      const isthmus = await context.client();
      const machine = await isthmus.machines.rename(ref, name);
      if (context.json) await context.printJson(machine);
    });
}
