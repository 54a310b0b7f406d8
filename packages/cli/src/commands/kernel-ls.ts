import { formatBytes } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { renderTable } from "../terminal/table.ts";

export function kernelLs(context: Context): Command {
  return new Command("ls")
    .description("List guest kernels; the star marks the one that new machines boot.")
    .addHelpText("after", examples([["isthmus kernel ls"]]))
    .action(async () => {
      const isthmus = await context.client();
      const kernels = await isthmus.kernels.list();
      if (context.json) return context.printJson(kernels);
      const rows = kernels.map((one) => [one.selected ? "*" : "", one.version, one.source, formatBytes(one.sizeBytes), one.path]);
      await context.print(renderTable(["", "VERSION", "SOURCE", "SIZE", "PATH"], rows, { right: ["SIZE"] }));
    });
}
