import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";

export function networkDisconnect(context: Context): Command {
  return new Command("disconnect")
    .description(
      "Take a machine off a network: one that runs at once, one without a process from its next start on. One that is paused or suspended is refused.",
    )
    .argument("<network>", "name")
    .argument("<machine>", "name or id")
    .addHelpText("after", examples([["isthmus network disconnect web api"]]))
    .action(async (network: string, machine: string) => {
      const isthmus = await context.client();
      const changed = await isthmus.networks.disconnect(network, machine);
      if (context.json) return context.printJson(changed);
    });
}
