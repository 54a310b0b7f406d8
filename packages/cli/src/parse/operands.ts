import type { Command, Option } from "commander";

/** Whether what follows the first operand belongs to the workload: `run IMAGE …`, `exec MACHINE …`. */
export function handsOn(command: Command): boolean {
  const [, second] = command.registeredArguments;
  return second?.name() === "command";
}

/** How many operands are among `words`, and the option that still waits for its value, if any. Options count up to where the workload's words begin. */
export function walk(
  command: Command,
  words: readonly string[],
): { readonly waiting?: Option; readonly operands: number; readonly options: readonly string[] } {
  const options: string[] = [];
  let operands = 0;
  let waiting: Option | undefined;
  for (const word of words) {
    if (waiting) waiting = undefined;
    else if (word.startsWith("-") && word !== "-" && !(operands > 0 && handsOn(command))) {
      options.push(word);
      const option = command.options.find(({ long, short }) => word === long || word === short);
      if (option?.required) waiting = option;
    } else operands += 1;
  }
  return { waiting, operands, options };
}
