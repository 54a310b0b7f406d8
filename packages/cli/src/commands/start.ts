import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";
import { runForeground } from "../stream/foreground.ts";
import { startingShown } from "../stream/queue-view.ts";
import { requireTerminal } from "../stream/raw-terminal.ts";

interface StartOptions {
  readonly attach?: boolean;
  readonly interactive?: boolean;
}

export function start(context: Context): Command {
  return new Command("start")
    .description("Start machines that were stopped or only made; done when their guests answer.")
    .argument("<machine...>", "id, name or beginning of an id")
    .option("-a, --attach", "stay with the machine (one only): its output and its exit code become ours")
    .option("-i, --interactive", "with our stdin; the machine must have been made with -i")
    .addHelpText("after", examples([["isthmus start web"], ["isthmus start -ai shell", "back into an interactive machine"]]))
    .action(async (refs: string[], options: StartOptions) => {
      const [ref] = refs;
      if ((!options.attach && !options.interactive) || ref === undefined) {
        return eachTarget(context, refs, ({ machines }, target) =>
          startingShown(context, machines.handle(target), refs, () => machines.start(target)),
        );
      }
      if (refs.length > 1) throw usage(context, "-a and -i take one machine");
      const isthmus = await context.client();
      const { id, spec, finishedAt } = await isthmus.machines.get(ref);
      const interactive = options.interactive === true;
      const tty = spec.tty === true;
      requireTerminal(context.world, { tty, interactive });
      context.exitCode = await runForeground(context, isthmus, id, {
        tty,
        interactive,
        start: { first: finishedAt === undefined, autoRemove: false, onFailure: "keep" },
      });
    });
}
