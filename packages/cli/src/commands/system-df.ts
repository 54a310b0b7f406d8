import { formatBytes } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { renderTable } from "../terminal/table.ts";

export function systemDf(context: Context): Command {
  return new Command("df")
    .description("Show what takes room on this host's disk, and what of it is not in use.")
    .option("-v, --verbose", "each machine too, the largest first")
    .addHelpText("after", examples([["isthmus system df"], ["isthmus system df -v"]]))
    .action(async ({ verbose }: { readonly verbose?: boolean }) => {
      const isthmus = await context.client();
      const use = await isthmus.host.storage();
      if (context.json) return context.printJson(use);
      const right = ["COUNT", "ACTIVE", "SIZE", "RECLAIMABLE"];
      const rows = use.kinds.map(({ kind, count, active, sizeBytes, reclaimableBytes }) => [
        String(kind),
        String(count),
        String(active),
        formatBytes(sizeBytes),
        formatBytes(reclaimableBytes),
      ]);
      await context.print(renderTable(["KIND", ...right], rows, { right }));
      if (!verbose) return;
      const machines = use.machines.map(({ id, name, state, sizeBytes }) => [id, name, state, formatBytes(sizeBytes)]);
      await context.print(`\n${renderTable(["MACHINE", "NAME", "STATE", "SIZE"], machines, { right: ["SIZE"] })}`);
    });
}
