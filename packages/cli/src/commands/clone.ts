import { limits } from "@isthmus/contract";
import { Command } from "commander";
import { cloneSource, sourceName } from "../clone-source.ts";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { wholeNumber } from "../parse/amounts.ts";
import { publishedPorts } from "../parse/ports.ts";
import { escapeControls } from "../terminal/escape.ts";

interface CloneOptions {
  readonly count?: number;
  readonly name?: string;
  readonly publish?: readonly string[];
  readonly rm?: boolean;
}

export function clone(context: Context): Command {
  return new Command("clone")
    .description(
      "Make machines that go on from a snapshot, or from where a running machine is now: processes, memory and disk. The original goes on too.",
    )
    .argument("<snapshot|machine>", "name or id; machine:NAME or snapshot:NAME when both have it")
    .option("-n, --count <number>", "how many; 1 when absent", wholeNumber("--count", 1, limits.clonesPerRequest))
    .option("--name <name>", "name of the clone, with -n followed by -1, -2 …; made up when absent")
    .option("-p, --publish <ports>", "publish these ports, as in run, instead of the original's on free host ports (repeatable)", collect)
    .option("--rm", "remove each clone when it has ended")
    .addHelpText(
      "after",
      examples([
        ["isthmus clone web", "web as it runs now, once more"],
        ["isthmus clone web --name test -p 8081:80"],
        ["isthmus clone before -n 10", "ten machines from a snapshot"],
        ["isthmus clone snapshot:web", "when a machine is called web as well"],
      ]),
    )
    .action(async (source: string, options: CloneOptions) => {
      const ports = options.publish?.flatMap(publishedPorts);
      const named = sourceName(source);
      const make = await cloneSource(await context.client(), named);
      const clones = await make({ count: options.count, name: options.name, ports, autoRemove: options.rm });
      if (context.json) return context.printJson(clones.map(({ info }) => info));
      await context.print(clones.map(({ id }) => `${id}\n`).join(""));
      if (!context.world.stderr.isTTY) return;
      for (const note of new Set(clones.flatMap(({ info }) => info.notes))) context.note(`note: ${escapeControls(note)}`);
    });
}
