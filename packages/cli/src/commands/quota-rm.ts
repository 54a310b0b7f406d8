import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function quotaRm(context: Context): Command {
  return new Command("rm")
    .description("Take tenants' quotas away: they have as much as this host gives, with weight 1. Their machines are left alone.")
    .argument("<tenant...>", "their names")
    .addHelpText("after", examples([["isthmus quota rm team-a"]]))
    .action((tenants: string[]) => eachTarget(context, tenants, (isthmus, tenant) => isthmus.quotas.remove(tenant)));
}
