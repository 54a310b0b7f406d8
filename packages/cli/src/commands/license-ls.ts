import { formatDuration, type LicencePoolStatus } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

const headings = ["NAME", "PRODUCT", "METRIC", "SEATS", "USED", "FREE", "LIMIT", "VALID", "STATUS"];

export function licenseLs(context: Context): Command {
  return new Command("ls")
    .description("List licence pools and how many of their seats are in use.")
    .option("-q, --quiet", "names only")
    .addHelpText("after", examples([["isthmus license ls"], ["isthmus license ls --json"]]))
    .action(async ({ quiet }: { readonly quiet?: boolean }) => {
      const pools = await (await context.client()).licences.list();
      if (context.json) return context.printJson(pools);
      if (quiet) return context.print(pools.map(({ name }) => `${name}\n`).join(""));
      await context.print(
        renderTable(
          headings,
          pools.map((pool) => row(context, pool)),
          { right: ["SEATS", "USED", "FREE"] },
        ),
      );
    });
}

function row({ style }: Context, pool: LicencePoolStatus): readonly Cell[] {
  const { name, product, metric, seats, used, free, limit, graceMs, standing } = pool;
  const status = standing === "ok" ? "ok" : style.yellow(standing);
  const soft = limit === "soft" ? `soft${graceMs === undefined ? "" : `, ${formatDuration(graceMs)}`}` : "hard";
  return [name, product, metric, seats, used, free, soft, validOf(pool), { styled: status }];
}

function validOf({ validFrom, validTo }: LicencePoolStatus): string {
  const from = validFrom === undefined ? "" : `from ${validFrom.slice(0, 10)}`;
  const to = validTo === undefined ? "" : `to ${validTo.slice(0, 10)}`;
  return [from, to].filter((part) => part !== "").join(" ") || "always";
}
