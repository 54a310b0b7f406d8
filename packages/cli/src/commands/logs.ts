import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { since, tail } from "../parse/amounts.ts";
import { Lifeline } from "../stream/lifeline.ts";
import { outputSink } from "../stream/sink.ts";
import { TimedLines } from "../stream/timed-lines.ts";

interface LogsOptions {
  readonly follow?: boolean;
  readonly since?: string;
  readonly tail?: number;
  readonly timestamps?: boolean;
  readonly json?: boolean;
}

export function logs(context: Context): Command {
  return new Command("logs")
    .description("Show what a machine wrote: its stdout on ours, its stderr on ours, byte for byte.")
    .argument("<machine>", "id, name or beginning of an id")
    .option("-f, --follow", "go on until the machine ends")
    .option("--since <time>", "only since then: 10m, 2026-01-31T12:00:00Z, Unix seconds", (text) => since(text))
    .option("-n, --tail <lines>", "only the last lines, or all", tail)
    .option("-t, --timestamps", "the time before each line")
    .addHelpText(
      "after",
      examples([
        ["isthmus logs web"],
        ["isthmus logs -f --tail 20 web", "the last lines and what follows"],
        ["isthmus logs -t --since 10m web"],
      ]),
    )
    .action(async (ref: string, options: LogsOptions) => {
      const isthmus = await context.client();
      const handle = isthmus.machines.handle(ref);
      const reconnect = options.follow ? new Lifeline(context).reconnect : undefined;
      const query = { follow: options.follow, since: options.since, tail: options.tail, reconnect };
      const sink = outputSink(context);
      if (options.json) {
        for await (const line of handle.logs(query)) await context.printJsonLine(line);
      } else if (options.timestamps) {
        const lines = new TimedLines(sink);
        for await (const line of handle.logs(query)) await lines.add(line);
      } else {
        for await (const { stream, bytes } of handle.rawLogs(query)) await sink.write(stream, bytes);
      }
    });
}
