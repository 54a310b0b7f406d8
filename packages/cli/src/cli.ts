import { type Command, CommanderError } from "commander";
import { exitCodes } from "./config.ts";
import { Context, type World } from "./context.ts";
import { reportFailure } from "./failure.ts";
import { OWN_VERSION } from "./own-version.ts";
import { bareGroup, buildProgram, commandWords } from "./program.ts";

/**
 * Runs one command line (without the program's name) and gives its exit code; never rejects.
 * @param world streams, environment and daemon to work with
 */
export async function runCli(argv: readonly string[], world: World): Promise<number> {
  const context = new Context(world);
  let program: Command | undefined;
  try {
    if (argv[0] === "--version" || argv[0] === "-V") {
      await context.print(`${OWN_VERSION}\n`);
      return exitCodes.ok;
    }
    const line = withHelp(argv);
    program = await buildProgram(line, context);
    const group = bareGroup(program, line);
    if (group) {
      group.outputHelp();
      return exitCodes.ok;
    }
    await program.parseAsync([...line], { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
    // Loaded for a failure only: every call would pay for it.
    const { jsonAsked } = await import("./parse/json-asked.ts");
    context.json ||= jsonAsked(argv, program);
    return reportFailure(context, error);
  }
}

/** `help image ls` is `image ls --help`; a word that is no command stays what it is, for its own error. */
function withHelp(argv: readonly string[]): readonly string[] {
  if (argv[0] !== "help") return argv;
  const rest = argv.slice(1);
  return rest.length === commandWords(rest).length ? [...rest, "--help"] : rest;
}
