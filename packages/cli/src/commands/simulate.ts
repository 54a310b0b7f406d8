import { readFile, writeFile } from "node:fs/promises";
import { IsthmusError } from "@isthmus/contract";
import { parseScenario, simulate as play, plot, type Quantiles, type Report, type Scenario } from "@isthmus/simulator";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";
import { renderTable } from "../terminal/table.ts";

interface SimulateOptions {
  readonly plot?: string;
  readonly json?: boolean;
}

export function simulate(context: Context): Command {
  return new Command("simulate")
    .description("Play a scenario against simulated hosts with the policy that real ones have. Needs no daemon.")
    .argument("<scenario>", "a JSON file, see docs/simulate.md")
    .option("--plot <file>", "write latency against time there, as SVG")
    .addHelpText(
      "after",
      examples([
        ["isthmus simulate packages/simulator/scenarios/storm.json"],
        ["isthmus simulate storm.json --plot storm.svg --json", "a picture and figures"],
      ]),
    )
    .action(async (path: string, options: SimulateOptions) => {
      const report = await play(await scenarioAt(path));
      if (options.plot !== undefined) await written(options.plot, plot(report));
      const { starts: _, ...figures } = report;
      if (context.json) await context.printJson(figures);
      else await context.print(reportText(report));
    });
}

async function scenarioAt(path: string): Promise<Scenario> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw invalid("scenario", `${path} cannot be read: ${String(cause)}`, cause);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid("scenario", `${path} is no JSON: ${String(cause)}`, cause);
  }
  return parseScenario(value);
}

async function written(path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((cause: unknown) => {
    throw invalid("--plot", `${path} cannot be written: ${String(cause)}`, cause);
  });
}

function invalid(field: string, reason: string, cause: unknown): IsthmusError {
  return new IsthmusError("INVALID_REQUEST", { field, reason }, { cause });
}

function reportText(report: Report): string {
  const refusals = Object.entries(report.refusals).map(([code, count]) => `${count} ${code}`);
  const rows = report.tenants.map((one) => [
    escapeControls(one.tenant),
    String(one.weight),
    String(one.asked),
    String(one.ran),
    String(one.waiting),
    String(one.refused),
    `${(100 * one.share).toFixed(1)} %`,
    spread(one.latencyMs),
    spread(one.queuedMs),
  ]);
  return [
    `${escapeControls(report.scenario)}\n`,
    `${report.ran} of ${report.asked} starts ran, ${report.waiting} wait, refused: ${refusals.join(", ") || "none"}`,
    `latency ${spread(report.latencyMs)} ms (p50 / p90 / p99), ${report.startsPerSecond.toFixed(1)} starts a second`,
    `memory used ${(100 * report.utilisation).toFixed(1)} %, fairness ${report.fairness.toFixed(3)} (Jain's index, by weight)\n`,
    renderTable(["TENANT", "WEIGHT", "ASKED", "RAN", "WAIT", "REFUSED", "SHARE", "LATENCY ms", "QUEUED ms"], rows),
  ].join("\n");
}

function spread({ p50, p90, p99 }: Quantiles): string {
  return `${p50} / ${p90} / ${p99}`;
}
