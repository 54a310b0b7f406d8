import type { Network } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";

interface LsOptions {
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const headings = ["NAME", "SUBNET", "SUBNET6", "MACHINES", "CREATED"];

export function networkLs(context: Context, name: string): Command {
  return new Command(name)
    .description("List networks. A star marks the machines that are on one now.")
    .option("-q, --quiet", "names only")
    .addHelpText("after", examples([["isthmus network ls"], ["isthmus network ls --json"]]))
    .action(async (options: LsOptions) => {
      const isthmus = await context.client();
      const networks = await isthmus.networks.list();
      if (options.json) return context.printJson(networks);
      if (options.quiet) return context.print(networks.map((network) => `${network.name}\n`).join(""));
      await context.print(renderTable(headings, networks.map(row)));
    });
}

function row({ name, subnet, subnet6, internal, machines, createdAt }: Network): readonly Cell[] {
  const users = machines.map(({ machineName, holds }) => `${machineName}${holds ? "*" : ""}`);
  return [`${name}${internal ? " (internal)" : ""}`, subnet, subnet6, users.join(", "), ago(createdAt)];
}
