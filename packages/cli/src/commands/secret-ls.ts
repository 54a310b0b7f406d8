import { formatBytes } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";

export function secretLs(context: Context, name: string): Command {
  return new Command(name)
    .description("List secrets. Nothing tells their values.")
    .option("-q, --quiet", "names only")
    .addHelpText("after", examples([["isthmus secret ls"], ["isthmus secret ls --json"]]))
    .action(async ({ quiet }: { readonly quiet?: boolean }) => {
      const isthmus = await context.client();
      const secrets = await isthmus.secrets.list();
      if (context.json) return context.printJson(secrets);
      if (quiet) return context.print(secrets.map((secret) => `${secret.name}\n`).join(""));
      const rows = secrets.map((secret) => [secret.name, secret.tenant, formatBytes(secret.sizeBytes), ago(secret.createdAt)]);
      await context.print(renderTable(["NAME", "TENANT", "SIZE", "CREATED"], rows));
    });
}
