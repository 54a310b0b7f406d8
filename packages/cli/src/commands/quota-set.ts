import { limits } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { decimal, size, wholeNumber } from "../parse/amounts.ts";
import { quotaTable } from "../terminal/quota-table.ts";

interface QuotaOptions {
  readonly weight?: number;
  readonly machines?: number;
  readonly vcpus?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly ports?: number;
  readonly queued?: number;
}

export function quotaSet(context: Context): Command {
  const count = (flag: string) => wholeNumber(flag, 0, limits.quotaCount);
  return new Command("set")
    .description("Say what a tenant may have. It takes the place of what was said before; what is left away is as much as this host gives.")
    .argument("<tenant>", "its name")
    .option(
      "--weight <number>",
      "its share of the starts beside the others that wait; 1 when absent",
      decimal("--weight", limits.quotaWeightMin, limits.quotaWeightMax),
    )
    .option("--machines <number>", "machines at once", count("--machines"))
    .option("--vcpus <number>", "virtual CPUs of them", count("--vcpus"))
    .option("--memory <size>", "memory of them, what their engines need included, such as 8g", size("--memory", 0, limits.quotaBytes))
    .option("--disk <size>", "writable layers of them and the tenant's volumes, such as 100g", size("--disk", 0, limits.quotaBytes))
    .option("--ports <number>", "published ports of them", count("--ports"))
    .option("--queued <number>", "starts that wait", count("--queued"))
    .addHelpText(
      "after",
      examples([
        ["isthmus quota set team-a --machines 50 --memory 16g"],
        ["isthmus quota set team-b --weight 4", "four starts for one of a tenant of weight 1"],
      ]),
    )
    .action(async (tenant: string, { weight, machines, vcpus, memory, disk, ports, queued }: QuotaOptions) => {
      const isthmus = await context.client();
      // Written out: the options hold --json too, which is no field of a quota.
      const quota = await isthmus.quotas.set(tenant, { weight, machines, vcpus, memoryBytes: memory, diskBytes: disk, ports, queued });
      if (context.json) return context.printJson(quota);
      await context.print(quotaTable([quota]));
    });
}
