import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";
import { shownJson } from "../terminal/escape.ts";

export function licenseInspect(context: Context): Command {
  return new Command("inspect")
    .description("Show all about licence pools, with who holds their seats and when they are expected back, as JSON.")
    .argument("<pool...>", "name of a pool")
    .addHelpText("after", examples([["isthmus license inspect matlab"]]))
    .action((names: string[]) =>
      eachTarget(
        context,
        names,
        (isthmus, name) => isthmus.licences.get(name),
        (pool) => `${shownJson(pool, 2)}\n`,
      ),
    );
}
