import { Command } from "commander";
import type { Context } from "../context.ts";
import { settleAll } from "../each.ts";
import { reportFailure } from "../failure.ts";
import { examples } from "../help.ts";
import { shownJson } from "../terminal/escape.ts";

export function inspect(context: Context): Command {
  return new Command("inspect")
    .description(
      "Show machines in full as a JSON array: spec, state, exit, isolation, accelerator, ports and the times of the last start's steps.",
    )
    .argument("<machine...>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus inspect web"], ["isthmus inspect web | jq '.[0].timings'", "ms per step of its start"]]))
    .action(async (refs: string[]) => {
      const isthmus = await context.client();
      const results = await settleAll(refs, (ref) => isthmus.machines.get(ref));
      const machines = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      await context.print(`${shownJson(machines, context.json && !context.world.stdout.isTTY ? undefined : 2)}\n`);
      for (const result of results) if (result.status === "rejected") context.exitCode ||= reportFailure(context, result.reason);
    });
}
