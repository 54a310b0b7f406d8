import { Command } from "commander";
import type { Context } from "../context.ts";
import { settleAll } from "../each.ts";
import { reportFailure } from "../failure.ts";
import { examples } from "../help.ts";
import { shownJson } from "../terminal/escape.ts";

export function quotaInspect(context: Context): Command {
  return new Command("inspect")
    .description("Show what tenants have and may have as a JSON array; also of tenants without a quota.")
    .argument("<tenant...>", "their names")
    .addHelpText("after", examples([["isthmus quota inspect team-a"], ["isthmus quota inspect team-a | jq '.[0].used'"]]))
    .action(async (tenants: string[]) => {
      const isthmus = await context.client();
      const results = await settleAll(tenants, (tenant) => isthmus.quotas.get(tenant));
      const quotas = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      await context.print(`${shownJson(quotas, context.json && !context.world.stdout.isTTY ? undefined : 2)}\n`);
      for (const result of results) if (result.status === "rejected") context.exitCode ||= reportFailure(context, result.reason);
    });
}
