import { Command } from "commander";
import type { Context } from "../context.ts";
import { settleAll } from "../each.ts";
import { reportFailure } from "../failure.ts";
import { examples } from "../help.ts";
import { shownJson } from "../terminal/escape.ts";

export function networkInspect(context: Context): Command {
  return new Command("inspect")
    .description("Show networks in full as a JSON array: addresses, labels, and which machines have which of them.")
    .argument("<network...>", "name")
    .addHelpText("after", examples([["isthmus network inspect web"]]))
    .action(async (names: string[]) => {
      const isthmus = await context.client();
      const results = await settleAll(names, (name) => isthmus.networks.get(name));
      const networks = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      await context.print(`${shownJson(networks, context.json && !context.world.stdout.isTTY ? undefined : 2)}\n`);
      for (const result of results) if (result.status === "rejected") context.exitCode ||= reportFailure(context, result.reason);
    });
}
