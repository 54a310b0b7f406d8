import { Command } from "commander";
import type { Context } from "../context.ts";
import { settleAll } from "../each.ts";
import { reportFailure } from "../failure.ts";
import { examples } from "../help.ts";
import { shownJson } from "../terminal/escape.ts";

export function imageInspect(context: Context): Command {
  return new Command("inspect")
    .description("Show images in full as a JSON array: digest, tags, layers, configuration, sizes.")
    .argument("<image...>", "NAME, NAME:TAG or a digest")
    .addHelpText("after", examples([["isthmus image inspect busybox"]]))
    .action(async (refs: string[]) => {
      const isthmus = await context.client();
      const results = await settleAll(refs, (ref) => isthmus.images.inspect(ref));
      const images = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      await context.print(`${shownJson(images, context.json && !context.world.stdout.isTTY ? undefined : 2)}\n`);
      for (const result of results) if (result.status === "rejected") context.exitCode ||= reportFailure(context, result.reason);
    });
}
