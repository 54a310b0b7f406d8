import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";
import { Lifeline } from "../stream/lifeline.ts";

export function wait(context: Context): Command {
  const { reconnect } = new Lifeline(context);
  return new Command("wait")
    .description("Wait until machines have ended and print their exit codes, one a line in the order given.")
    .argument("<machine...>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus wait job"], ["id=$(isthmus run -d busybox true); isthmus wait $id"]]))
    .action((refs: string[]) =>
      eachTarget(
        context,
        refs,
        async (isthmus, ref) => ({ machine: ref, ...(await isthmus.machines.wait(ref, { reconnect })) }),
        (exit) => `${exit.code}\n`,
      ),
    );
}
