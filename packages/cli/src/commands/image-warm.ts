import { formatBytes } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { addShapeOptions, machineSpec, type RunOptions } from "../parse/run-options.ts";

export function imageWarm(context: Context): Command {
  return addShapeOptions(new Command("warm"))
    .description("Boot an image once, ahead, so that its first machine starts as fast as the others. Flags are those of run.")
    .argument("<image>", "NAME, NAME:TAG or a digest")
    .addHelpText(
      "after",
      examples([["isthmus image warm busybox"], ["isthmus image warm --cpus 2 -m 512m web:1", "for machines of that shape"]]),
    )
    .action(async (image: string, options: RunOptions) => {
      const isthmus = await context.client();
      const began = performance.now();
      const template = await isthmus.templates.warm(machineSpec(image, [], options, context.world.env));
      if (context.json) return context.printJson(template);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      await context.print(`${template.key}\n`);
      context.note(`ready after ${seconds} s, ${formatBytes(template.sizeBytes)} on disk`);
    });
}
