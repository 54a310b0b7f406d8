import { Command } from "commander";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { labels } from "../parse/environment.ts";
import { invalid } from "../parse/invalid.ts";

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
      const blocks = { subnet: oneOf(options.subnet, false), subnet6: oneOf(options.subnet, true) };
      const given = labels(options.label ?? []);
      const isthmus = await context.client();
      const network = await isthmus.networks.create({
        name,
        ...blocks,
        internal: options.internal,
        labels: given,
      });
      if (context.json) return context.printJson(network);
      await context.print(`${network.name}\n`);
    });
}

/** The block of a family: a network has one of each. Throws INVALID_REQUEST. */
function oneOf(blocks: readonly string[] = [], v6: boolean): string | undefined {
  const [first, second] = blocks.filter((block) => block.includes(":") === v6);
  if (second !== undefined) throw invalid("--subnet", second, `a network has one IPv${v6 ? 6 : 4} block, and ${first} is given too`);
  return first;
}
