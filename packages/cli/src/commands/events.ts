import type { Event } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { since } from "../parse/amounts.ts";
import { eventFilters } from "../parse/filters.ts";
import { escapeControls } from "../terminal/escape.ts";

interface EventsOptions {
  readonly follow?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly machine?: string;
  readonly filter?: readonly string[];
  readonly json?: boolean;
}

export function events(context: Context): Command {
  return new Command("events")
    .description("Show what happened on this host, oldest first.")
    .option("-f, --follow", "go on with what happens next")
    .option("--since <time>", "only since then: 10m, 2026-01-31T12:00:00Z, Unix seconds", (text) => since(text))
    .option("--until <time>", "only until then; a time to come ends -f", (text) => since(text, Date.now(), "--until"))
    .option("--machine <machine>", "only those of this machine")
    .option("--filter <key=value>", "event, type, machine, image or label (repeatable)", collect)
    .addHelpText(
      "after",
      examples([
        ["isthmus events --since 1h"],
        ["isthmus events -f --json", "a line of JSON for each, as they come"],
        ["isthmus events --filter event=exited --filter label=team=web", "ends of some machines"],
      ]),
    )
    .action(async (options: EventsOptions) => {
      const given = eventFilters(options.filter ?? []);
      const isthmus = await context.client();
      const { follow, since: from, until, machine } = options;
      for await (const event of isthmus.events({ follow, since: from, until, ...given, ...(machine === undefined ? {} : { machine }) })) {
        if (options.json) await context.printJsonLine(event);
        else await context.print(eventLine(event));
      }
    });
}

/** `2026-01-31T12:00:00.000Z machine.exited web (1f2e…) code=0` */
export function eventLine({ time, type, machineId, machineName, details }: Event): string {
  const subject = machineId === undefined ? "" : ` ${machineName ?? ""} (${machineId})`;
  const rest = Object.entries(details).map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return `${escapeControls(`${time} ${type}${subject}${rest.join("")}`)}\n`;
}
