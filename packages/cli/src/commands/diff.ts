import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";

export function diff(context: Context): Command {
  return new Command("diff")
    .description("Show what a machine's disk has otherwise than its image: A added, C changed, D deleted. Also of one that has ended.")
    .argument("<machine>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus diff web"]]))
    .action(async (ref: string) => {
      const isthmus = await context.client();
      const changes = await isthmus.machines.handle(ref).changes();
      if (context.json) return context.printJson(changes);
      await context.print(changes.map(({ kind, path }) => `${kind} ${escapeControls(path)}\n`).join(""));
    });
}
