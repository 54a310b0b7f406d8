import { formatBytes, type Volume } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";

interface LsOptions {
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const headings = ["NAME", "TENANT", "SIZE", "ON DISK", "USED BY", "CREATED"];

export function volumeLs(context: Context, name: string): Command {
  return new Command(name)
    .description(
      "List volumes. TENANT is whose machines may mount one, - of the host's; SIZE is what one can hold, ON DISK what it takes on this host; a star marks the machines that have it now.",
    )
    .option("-q, --quiet", "names only")
    .addHelpText("after", examples([["isthmus volume ls"], ["isthmus volume ls --json"]]))
    .action(async (options: LsOptions) => {
      const isthmus = await context.client();
      const volumes = await isthmus.volumes.list();
      if (options.json) return context.printJson(volumes);
      if (options.quiet) return context.print(volumes.map((volume) => `${volume.name}\n`).join(""));
      await context.print(renderTable(headings, volumes.map(row), { right: ["SIZE", "ON DISK"] }));
    });
}

/** No tenant has a name that begins like this. */
const OF_HOST = "-";

function row({ name, tenant = OF_HOST, sizeBytes, usedBytes, usedBy, createdAt }: Volume): readonly Cell[] {
  const users = usedBy.map(({ machineName, readOnly, holds }) => `${machineName}${holds ? "*" : ""}${readOnly ? " (ro)" : ""}`);
  return [name, tenant, formatBytes(sizeBytes), formatBytes(usedBytes), users.join(", "), ago(createdAt)];
}
