import { Command } from "commander";
import type { Context } from "../context.ts";
import { settleAll } from "../each.ts";
import { reportFailure } from "../failure.ts";
import { examples } from "../help.ts";
import { shownJson } from "../terminal/escape.ts";

export function snapshotInspect(context: Context): Command {
  return new Command("inspect")
    .description(
      "Show snapshots in full as a JSON array: the machine they were taken of and its spec, engine, size, and why one is unusable.",
    )
    .argument("<snapshot...>", "id, name or beginning of an id")
    .addHelpText("after", examples([["isthmus snapshot inspect before"]]))
    .action(async (refs: string[]) => {
      const isthmus = await context.client();
      const results = await settleAll(refs, (ref) => isthmus.snapshots.get(ref));
      const snapshots = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      await context.print(`${shownJson(snapshots, context.json && !context.world.stdout.isTTY ? undefined : 2)}\n`);
      for (const result of results) if (result.status === "rejected") context.exitCode ||= reportFailure(context, result.reason);
    });
}
