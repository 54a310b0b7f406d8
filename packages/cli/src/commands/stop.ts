import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";
import { signal, stopTimeout } from "../parse/amounts.ts";

interface StopOptions {
  readonly timeout?: number;
  readonly signal?: string;
}

export function stop(context: Context): Command {
  return new Command("stop")
    .description("Stop machines in order: the stop signal, then SIGKILL when the time is over.")
    .argument("<machine...>", "id, name or beginning of an id")
    .option("-t, --timeout <duration>", "time before it is killed; the machine's own when absent", stopTimeout("--timeout"))
    .option("-s, --signal <signal>", "signal instead of the machine's stop signal", signal("--signal"))
    .addHelpText("after", examples([["isthmus stop web"], ["isthmus stop -t 30 web db", "with 30 seconds each"]]))
    .action((refs: string[], options: StopOptions) =>
      eachTarget(context, refs, (isthmus, ref) => isthmus.machines.stop(ref, { timeoutMs: options.timeout, stopSignal: options.signal })),
    );
}
