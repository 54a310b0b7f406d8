import { Command } from "commander";
import type { Context } from "../context.ts";
import { settleAll } from "../each.ts";
import { reportFailure } from "../failure.ts";
import { examples } from "../help.ts";
import { shownJson } from "../terminal/escape.ts";

export function volumeInspect(context: Context): Command {
  return new Command("inspect")
    .description("Show volumes in full as a JSON array: size, labels, and which machines mount them where.")
    .argument("<volume...>", "name")
    .addHelpText("after", examples([["isthmus volume inspect data"]]))
    .action(async (names: string[]) => {
      const isthmus = await context.client();
      const results = await settleAll(names, (name) => isthmus.volumes.get(name));
      const volumes = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      await context.print(`${shownJson(volumes, context.json && !context.world.stdout.isTTY ? undefined : 2)}\n`);
      for (const result of results) if (result.status === "rejected") context.exitCode ||= reportFailure(context, result.reason);
    });
}
