import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";

export function secretRm(context: Context, name: string): Command {
  return new Command(name)
    .description("Remove secrets that no machine is given. What machines were given stays in their memory.")
    .argument("<secret...>", "names")
    .option("--tenant <name>", "whose they are; the token's tenant when absent, else the default one")
    .addHelpText("after", examples([["isthmus secret rm db-password"]]))
    .action((names: string[], { tenant }: { readonly tenant?: string }) =>
      eachTarget(context, names, (isthmus, secret) => isthmus.secrets.remove(secret, { tenant })),
    );
}
