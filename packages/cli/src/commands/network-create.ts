import { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { labels } from "../parse/environment.ts";

interface CreateOptions {
  readonly subnet?: readonly string[];
  readonly internal?: boolean;
  readonly label?: readonly string[];
}

export function networkCreate(context: Context): Command {
  return new Command("create")
    .description("Make a network: its machines reach one another by address and name, apart from those of others. Prints its name.")
    .argument("<new-network>", "its name")
    .option(
      "--subnet <block>",
      "IPv4 block, such as 10.40.0.0/24, or IPv6 block, such as fd40::/64; free ones when absent (repeatable)",
      collect,
    )
    .option("--internal", "no way out: machines reach one another only")
    .option("-l, --label <key[=value]>", "label (repeatable)", collect)
    .addHelpText(
      "after",
      examples([["isthmus network create web"], ["isthmus network create db --subnet 10.40.0.0/24 --subnet fd40::/64 --internal"]]),
    )
    .action(async (name: string, options: CreateOptions) => {
      const isthmus = await context.client();
      const blocks = options.subnet ?? [];
      const network = await isthmus.networks.create({
        name,
        subnet: blocks.find((block) => !block.includes(":")),
        subnet6: blocks.find((block) => block.includes(":")),
        internal: options.internal,
        labels: labels(options.label ?? []),
      });
      if (context.json) return context.printJson(network);
      await context.print(`${network.name}\n`);
    });
}
