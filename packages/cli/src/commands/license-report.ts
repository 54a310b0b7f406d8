import type { LicenceReport } from "@isthmus/contract";
import { Command } from "commander";
import { exitCodes } from "../config.ts";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { moment } from "../parse/moments.ts";
import { csv } from "../terminal/csv.ts";
import { escapeControls } from "../terminal/escape.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

interface ReportOptions {
  readonly since?: string;
  readonly until?: string;
  readonly uses?: boolean;
  readonly csv?: boolean;
  readonly audit?: boolean;
}

type Rows = { readonly headings: readonly string[]; readonly rows: readonly (readonly (string | number | undefined)[])[] };

export function licenseReport(context: Context): Command {
  return new Command("report")
    .description(
      "Report the use of licences per product and day (UTC), computed from the event log: high-water marks, seat hours, forecast.",
    )
    .argument("[product]", "one product only")
    .option("--since <time>", "time, or duration back from now such as 720h; 30 days when absent", moment("--since"))
    .option("--until <time>", "in the same forms; now when absent", moment("--until"))
    .option("--uses", "who used what when, instead of days")
    .option("--csv", "as comma-separated values")
    .option("--audit", "compare the event log with machines and pools; differences make the exit code 1")
    .addHelpText(
      "after",
      examples([
        ["isthmus license report"],
        ["isthmus license report matlab --uses --csv --since 2026-01-01", "for a spreadsheet"],
        ["isthmus license report --audit"],
      ]),
    )
    .action(async (product: string | undefined, options: ReportOptions) => {
      const { since, until, audit } = options;
      const report = await (await context.client()).licences.report({ since, until, product, audit });
      if (report.audit?.ok === false) context.exitCode = exitCodes.error;
      if (context.json) return context.printJson(report);
      const table = options.uses ? usesOf(report) : daysOf(report);
      if (options.csv) await context.print(csv([table.headings, ...table.rows]));
      else await context.print(pretty(table) + (options.uses ? "" : forecasts(report)));
      if (options.csv) for (const line of audited(report)) context.note(line);
      else
        await context.print(
          audited(report)
            .map((line) => `${line}\n`)
            .join(""),
        );
    });
}

function daysOf({ products }: LicenceReport): Rows {
  return {
    headings: ["product", "day", "high_water", "seats", "high_water_at", "taken", "returned", "seat_hours"],
    rows: products.flatMap(({ product, days }) =>
      days.map(({ day, highWater, total, highWaterAt, taken, returned, seatHours }) => [
        product,
        day,
        highWater,
        total,
        highWaterAt,
        taken,
        returned,
        seatHours,
      ]),
    ),
  };
}

function usesOf({ products }: LicenceReport): Rows {
  return {
    headings: ["product", "pool", "machine", "machine_id", "tenant", "user", "image", "seats", "from", "to"],
    rows: products.flatMap(({ product, uses }) =>
      uses.map((use) => [product, use.pool, use.machineName, use.machineId, use.tenant, use.user, use.image, use.seats, use.from, use.to]),
    ),
  };
}

function pretty({ headings, rows }: Rows): string {
  const shown = headings.map((heading) => heading.replaceAll("_", " ").toUpperCase());
  const cells: readonly (readonly Cell[])[] = rows;
  return renderTable(shown, cells, { right: ["HIGH WATER", "SEATS", "TAKEN", "RETURNED", "SEAT HOURS"] });
}

function forecasts({ products }: LicenceReport): string {
  if (products.length === 0) return "";
  const lines = products.map(
    ({ product, used, total, forecast }) =>
      `${escapeControls(product)}: ${used} of ${total} seats in use; ${escapeControls(forecast.reason)}\n`,
  );
  return `\n${lines.join("")}`;
}

function audited({ audit }: LicenceReport): string[] {
  if (audit === undefined) return [];
  if (audit.ok) return [`audit: ${audit.events} events agree with the machines and pools`];
  return [
    `audit: ${audit.differences.length} differences in ${audit.events} events`,
    ...audit.differences.map((line) => `  ${escapeControls(line)}`),
  ];
}
