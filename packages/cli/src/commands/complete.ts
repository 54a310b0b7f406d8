import { Command } from "commander";
import { candidates } from "../completion/candidates.ts";
import type { Context } from "../context.ts";
import { escapeControls } from "../terminal/escape.ts";

export function complete(context: Context): Command {
  return new Command("__complete")
    .description("Print what may follow the words given; the last of them is the one being typed.")
    .argument("[words...]")
    .passThroughOptions()
    .action(async (words: string[]) => {
      const found = await candidates(context, words);
      if (context.json) return context.printJson(found);
      await context.print(
        found.map(({ text, description }) => `${escapeControls(text)}${description ? `\t${escapeControls(description)}` : ""}\n`).join(""),
      );
    });
}
