import { hasCode } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";
import { stopTimeout } from "../parse/amounts.ts";

interface RestartOptions {
  readonly timeout?: number;
}

export function restart(context: Context): Command {
  return new Command("restart")
    .description("Stop machines and start them again; one that does not run is started.")
    .argument("<machine...>", "id, name or beginning of an id")
    .option("-t, --timeout <duration>", "time before it is killed; the machine's own when absent", stopTimeout("--timeout"))
    .addHelpText("after", examples([["isthmus restart web"]]))
    .action((refs: string[], options: RestartOptions) =>
      eachTarget(context, refs, async (isthmus, ref) => {
        try {
          await isthmus.machines.stop(ref, { timeoutMs: options.timeout });
        } catch (error) {
          if (!hasCode(error, "STATE_CONFLICT")) throw error;
        }
        return await isthmus.machines.start(ref);
      }),
    );
}
