import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { quotaTable } from "../terminal/quota-table.ts";

export function quotaLs(context: Context): Command {
  return new Command("ls")
    .description("List what tenants have and may have: those with a quota, and those that have machines.")
    .addHelpText("after", examples([["isthmus quota ls"], ["isthmus quota ls --json"]]))
    .action(async () => {
      const isthmus = await context.client();
      const quotas = await isthmus.quotas.list();
      if (context.json) return context.printJson(quotas);
      await context.print(quotaTable(quotas));
    });
}
