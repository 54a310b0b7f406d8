import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";

export function why(context: Context): Command {
  return new Command("why")
    .description(
      "Say why a machine is queued, refused, slow, suspended or ended: one sentence, then what it is put together from, with numbers.",
    )
    .argument("<machine>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus why web"], ["isthmus why web --json | jq .place"]]))
    .action(async (ref: string) => {
      const isthmus = await context.client();
      const told = await isthmus.machines.why(ref);
      if (context.json) return context.printJson(told);
      const lines = [told.summary, ...told.reasons.map((reason) => `  ${reason}`)];
      await context.print(lines.map((line) => `${escapeControls(line)}\n`).join(""));
    });
}
