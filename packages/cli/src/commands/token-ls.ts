import type { Token } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";

const headings = ["NAME", "ID", "ROLE", "TENANT", "CREATED", "EXPIRES"];

export function tokenLs(context: Context, name: string): Command {
  return new Command(name)
    .description("List tokens, without their values, which nobody has but who was given them.")
    .option("-q, --quiet", "names only")
    .addHelpText("after", examples([["isthmus token ls"], ["isthmus token ls --json"]]))
    .action(async ({ quiet }: { readonly quiet?: boolean }) => {
      const isthmus = await context.client();
      const tokens = await isthmus.tokens.list();
      if (context.json) return context.printJson(tokens);
      if (quiet) return context.print(tokens.map((token) => `${token.name}\n`).join(""));
      await context.print(
        renderTable(
          headings,
          tokens.map((token) => row(context, token)),
        ),
      );
    });
}

function row({ style }: Context, { name, id, role, tenant, createdAt, expiresAt, expired }: Token): readonly Cell[] {
  return [name, id, role, tenant ?? "all", ago(createdAt), expired ? { styled: style.yellow("expired") } : (expiresAt ?? "never")];
}
