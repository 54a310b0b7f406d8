import { Command } from "commander";
import type { CommandEntry, CommandMaker } from "../command-entry.ts";
import { candidates } from "../completion/candidates.ts";
import type { Context } from "../context.ts";
import { escapeControls } from "../terminal/escape.ts";

/** The table comes as an argument: it names this file, which must not name it in turn. */
export function completeFrom(table: () => readonly CommandEntry[]): CommandMaker {
  return (context) => complete(context, table());
}

function complete(context: Context, table: readonly CommandEntry[]): Command {
  return new Command("__complete")
    .description("Print what may follow the words given; the last of them is the one being typed.")
    .argument("[words...]")
    .passThroughOptions()
    .action(async (words: string[]) => {
      const found = await candidates(context, table, words);
      if (context.json) return context.printJson(found);
      await context.print(
        found.map(({ text, description }) => `${escapeControls(text)}${description ? `\t${escapeControls(description)}` : ""}\n`).join(""),
      );
    });
}
