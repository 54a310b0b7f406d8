import { Command } from "commander";
import type { CommandEntry } from "./command-entry.ts";
import { commandTable } from "./command-table.ts";
import type { Context } from "./context.ts";
import { examples } from "./help.ts";

/** Words of `argv` before the first option, as far as they name a command: `["image", "ls"]`. */
export function commandWords(argv: readonly string[]): readonly string[] {
  const rest = argv.filter((word) => word !== "--json");
  const first = commandTable.find((entry) => entry.name === rest[0]);
  if (!first) return [];
  const second = first.children?.find((entry) => entry.name === rest[1]);
  return second ? [first.name, second.name] : [first.name];
}

/** Settings that every command shares; usage errors are thrown, not printed. */
function prepare(command: Command, context: Context): Command {
  return command
    .exitOverride()
    .configureHelp({ subcommandTerm: (each) => each.name() })
    .configureOutput({
      writeOut: (text) => context.world.stdout.write(text),
      writeErr: (text) => context.world.stderr.write(text),
      outputError: () => undefined,
    })
    .showSuggestionAfterError(true);
}

async function build(entry: CommandEntry, words: readonly string[], context: Context): Promise<Command> {
  const chosen = words[0] === entry.name;
  if (entry.children) {
    const group = prepare(new Command(entry.name), context).description(entry.summary).enablePositionalOptions();
    group.helpGroup(entry.group);
    group.helpCommand(false).helpOption("-h, --help", "show this help").usage("COMMAND [OPTIONS]").summary(entry.summary);
    group.addHelpText("after", `${examples(entry.examples ?? [])}\n\nisthmus ${entry.name} COMMAND --help shows more.`);
    for (const child of entry.children) group.addCommand(await build(child, chosen ? words.slice(1) : [], context));
    return group;
  }
  const make = chosen ? await entry.load?.() : undefined;
  const command = make ? make(context, entry.name) : new Command(entry.name).description(entry.summary);
  if (command.options.every((option) => option.long !== "--json")) command.option("--json", "results as JSON");
  if (command.options.some((option) => option.short === "-h")) command.helpOption("--help", "show this help");
  else command.helpOption("-h, --help", "show this help");
  command.hook("preAction", (_, action) => {
    context.json = action.opts<{ json?: boolean }>().json === true;
  });
  return prepare(command, context).helpGroup(entry.group).summary(entry.summary);
}

/** The whole program; of all commands only the one that `argv` names is loaded. */
export async function buildProgram(argv: readonly string[], context: Context): Promise<Command> {
  const words = commandWords(argv);
  context.commandName = words.join(" ");
  const program = prepare(new Command("isthmus"), context)
    .description("Runs container images as microVMs on this host. The daemon starts by itself.")
    .usage("COMMAND [OPTIONS]")
    .enablePositionalOptions()
    .option("-V, --version", "show the version of this command")
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .addHelpText("after", rootHelp);
  for (const entry of commandTable) program.addCommand(await build(entry, words, context), { hidden: entry.hidden });
  return program;
}

/** The program or group whose help answers a line that names a group and nothing else. */
export function bareGroup(program: Command, argv: readonly string[]): Command | undefined {
  if (argv.length === 0) return program;
  if (argv.length > 1) return undefined;
  return program.commands.find((command) => command.name() === argv[0] && command.commands.length > 0);
}

const rootHelp = `
Examples:
  isthmus run -it busybox sh        a shell in a new microVM
  isthmus run -d --name web -p 8080:80 busybox httpd -f -p 80
  isthmus ps                        what runs
  isthmus doctor                    what this host can do

isthmus help COMMAND and --help show more; every command takes --json. Exit codes: 0 done, 1 error, 2 wrong usage, 125 our own error in run, exec, attach and
start -a, 126 and 127 command not executable and not found, 128+n ended by signal n; any other code is the workload's own.`;
