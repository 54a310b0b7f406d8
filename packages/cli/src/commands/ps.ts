import { isSettled, type Machine, signalName } from "@isthmus/contract";
import { Command, Option } from "commander";
import { COMMAND_COLUMN_CHARS, SHORT_ID_CHARS } from "../config.ts";
import type { Context } from "../context.ts";
import { gather } from "../each.ts";
import { collect, examples } from "../help.ts";
import { machineFilters } from "../parse/filters.ts";
import { portText } from "../parse/ports.ts";
import { escapeControls } from "../terminal/escape.ts";
import { renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";
import { truncate } from "../terminal/width.ts";

interface PsOptions {
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly trunc: boolean;
  readonly filter?: readonly string[];
  readonly format: "table" | "json";
  readonly json?: boolean;
}

export function ps(context: Context): Command {
  return new Command("ps")
    .description("List machines, newest first; without -a only those that have not ended.")
    .option("-a, --all", "those that have ended as well")
    .option("-q, --quiet", "ids only")
    .option("--no-trunc", "nothing cut short")
    .option("-f, --filter <key=value>", "status, label, name, id, exited, ancestor, volume, health, before or since (repeatable)", collect)
    .addOption(new Option("--format <form>", "table, or json for a line each").choices(["table", "json"]).default("table"))
    .addHelpText(
      "after",
      examples([
        ["isthmus ps -a", "all machines"],
        ["isthmus ps -q --filter label=team=web", "ids of some"],
        ["isthmus rm $(isthmus ps -aq --filter state=exited)", "remove what has ended"],
        ["isthmus ps -a --filter ancestor=busybox --filter exited=1", "those of one image that failed"],
      ]),
    )
    .action(async (options: PsOptions) => {
      const filters = machineFilters(options.filter ?? []);
      const isthmus = await context.client();
      const machines = await gather(isthmus.machines.list({ all: options.all, ...filters }));
      if (options.json) return context.printJson(machines);
      if (options.format === "json") {
        for (const machine of machines) await context.printJsonLine(machine);
        return;
      }
      if (options.quiet) return context.print(machines.map(({ id }) => `${shortId(id, options.trunc)}\n`).join(""));
      await context.print(machineTable(context, machines, options.trunc));
    });
}

function shortId(id: string, cut: boolean): string {
  return cut ? id.slice(0, SHORT_ID_CHARS) : id;
}

function machineTable(context: Context, machines: readonly Machine[], cut: boolean): string {
  const rows = machines.map((machine) => {
    const command = escapeControls(machine.argv.join(" "));
    return [
      shortId(machine.id, cut),
      machine.name,
      machine.spec.image,
      cut ? truncate(command, COMMAND_COLUMN_CHARS) : command,
      { styled: stateText(context, machine) },
      ago(machine.createdAt),
      machine.ports.map(portText).join(", "),
    ];
  });
  return renderTable(["ID", "NAME", "IMAGE", "COMMAND", "STATE", "CREATED", "PORTS"], rows);
}

function stateText({ style }: Context, machine: Machine): string {
  const { state, exit, startedAt, suspendedAt, failure, restartsAt, health } = machine;
  if (state === "running") {
    const text = startedAt ? `running ${ago(startedAt, "for")}` : "running";
    if (!health) return style.green(text);
    return health.status === "unhealthy" ? style.red(`${text} (unhealthy)`) : style.green(`${text} (${health.status})`);
  }
  if (state === "suspended" && suspendedAt) return `suspended ${ago(suspendedAt, "for")}`;
  if (restartsAt) return style.yellow(`restarting (${exit?.code ?? failure?.code ?? state})`);
  if (state === "exited" && exit) {
    const how = exit.signal === undefined ? String(exit.code) : signalName(exit.signal);
    return exit.code === 0 ? "exited (0)" : style.yellow(`exited (${how})`);
  }
  if (failure) return style.red(`${state} (${escapeControls(failure.code)})`);
  return isSettled(state) ? state : style.cyan(state);
}
