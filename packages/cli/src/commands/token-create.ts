import { limits, type Role, roles } from "@isthmus/contract";
import { Argument, Command, Option } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { duration } from "../parse/amounts.ts";

interface CreateOptions {
  readonly role: Role;
  readonly tenant?: string;
  readonly expires?: number;
}

export function tokenCreate(context: Context): Command {
  return new Command("create")
    .description("Make a token for the API. It is shown this once and kept nowhere: only its hash is.")
    .addArgument(new Argument("<name>", "its name"))
    .addOption(
      new Option("--role <role>", "viewer looks, operator works with machines, admin gives rights as well")
        .choices(roles)
        .makeOptionMandatory(),
    )
    .option("--tenant <name>", "it sees and touches what is of this tenant only; without it, everything of this host")
    .option(
      "--expires <duration>",
      "it is good for so long, such as 90d; for ever without it",
      duration("--expires", limits.tokenLifeMinMs, limits.ttlMaxMs),
    )
    .addHelpText(
      "after",
      examples([
        ["isthmus token create ci --role operator --tenant team-a", "for machines of team-a"],
        ["isthmus token create grafana --role viewer --expires 90d"],
        ["ISTHMUS_URL=https://host:7443 ISTHMUS_TOKEN=$(isthmus token create me --role admin) isthmus ps", "used"],
      ]),
    )
    .action(async (name: string, { role, tenant, expires }: CreateOptions) => {
      const isthmus = await context.client();
      const made = await isthmus.tokens.create({ name, role, tenant, expiresInMs: expires });
      if (context.json) return context.printJson(made);
      await context.print(`${made.value}\n`);
      context.note(
        "This is the only time that it is shown. Clients send it as Authorization: Bearer, the command takes it from ISTHMUS_TOKEN.",
      );
    });
}
