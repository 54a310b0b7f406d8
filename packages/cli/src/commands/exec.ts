import { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { environment } from "../parse/environment.ts";
import { requireTerminal, terminalSize } from "../stream/raw-terminal.ts";
import { joinSession } from "../stream/session.ts";

interface ExecOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
}

export function exec(context: Context): Command {
  return new Command("exec")
    .description("Run a command in a running machine; its exit code becomes ours. Options go before MACHINE.")
    .argument("<machine>", "id, name or beginning of an id")
    .argument("<command...>", "command and arguments")
    .passThroughOptions()
    .option("-i, --interactive", "with our stdin")
    .option("-t, --tty", "with a terminal")
    .option("-e, --env <name[=value]>", "environment variable (repeatable)", collect)
    .option("--env-file <file>", "file of variables, one a line (repeatable)", collect)
    .option("-w, --workdir <path>", "where the command starts")
    .option("-u, --user <user[:group]>", "who it runs as, names or numbers")
    .addHelpText(
      "after",
      examples([
        ["isthmus exec web ps", "one command"],
        ["isthmus exec -it web sh", "a shell"],
        ["isthmus exec -i web sh -c 'cat > /tmp/x' < file", "our stdin into it"],
      ]),
    )
    .action(async (ref: string, command: string[], options: ExecOptions) => {
      requireTerminal(context.world, options);
      const tty = options.tty === true;
      const interactive = options.interactive === true;
      const entries = tty ? ["TERM", ...(options.env ?? [])] : (options.env ?? []);
      const env = environment(entries, options.envFile ?? [], context.world.env);
      const size = tty ? terminalSize(context.world) : undefined;
      const isthmus = await context.client();
      const { workdir, user } = options;
      const session = await isthmus.machines.handle(ref).exec(command, { env, workdir, user, tty, stdin: interactive, ...size });
      context.exitCode = await joinSession(context, session, { tty, interactive });
    });
}
