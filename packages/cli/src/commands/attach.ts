import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { runForeground } from "../stream/foreground.ts";
import { requireTerminal } from "../stream/raw-terminal.ts";

interface AttachOptions {
  readonly stdin: boolean;
  readonly logs?: boolean;
}

export function attach(context: Context): Command {
  return new Command("attach")
    .description("Join a machine's input and output; its exit code becomes ours. In a terminal ctrl-p ctrl-q leaves it running.")
    .argument("<machine>", "id, name or beginning of an id")
    .option("--no-stdin", "its output only")
    .option("--logs", "begin with what it wrote since its start")
    .addHelpText(
      "after",
      examples([["isthmus attach shell"], ["isthmus attach --logs --no-stdin web", "what it wrote since its start, and what follows"]]),
    )
    .action(async (ref: string, options: AttachOptions) => {
      const isthmus = await context.client();
      const { id, spec } = await isthmus.machines.get(ref);
      const interactive = options.stdin && spec.stdin === true;
      const tty = spec.tty === true;
      requireTerminal(context.world, { tty, interactive });
      context.exitCode = await runForeground(context, isthmus, id, { tty, interactive, logs: options.logs });
    });
}
