import type { Command } from "commander";
import { walk } from "./operands.ts";

/** Whether `--json` was asked of us, not of a workload, on a line that could not be parsed. */
export function jsonAsked(argv: readonly string[], program: Command | undefined): boolean {
  const end = argv.indexOf("--");
  let words = end === -1 ? argv : argv.slice(0, end);
  let command = program;
  while (command && words[0] !== "--json") {
    const child: Command | undefined = command.commands.find((each) => each.name() === words[0]);
    if (!child) return walk(command, words).options.includes("--json");
    command = child;
    words = words.slice(1);
  }
  return words[0] === "--json";
}
