import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";
import { signal } from "../parse/amounts.ts";

interface KillOptions {
  readonly signal?: string;
}

export function kill(context: Context): Command {
  return new Command("kill")
    .description("End machines at once, or send their workloads another signal.")
    .argument("<machine...>", "id, name or beginning of an id")
    .option("-s, --signal <signal>", "name or number; SIGKILL when absent", signal("--signal"))
    .addHelpText("after", examples([["isthmus kill web"], ["isthmus kill -s HUP web", "let it read its configuration again"]]))
    .action((refs: string[], options: KillOptions) =>
      eachTarget(context, refs, (isthmus, ref) => isthmus.machines.kill(ref, { killSignal: options.signal })),
    );
}
