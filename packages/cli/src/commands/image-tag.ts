import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";

export function imageTag(context: Context, name: string): Command {
  return new Command(name)
    .description("Give an image another name.")
    .argument("<image>", "NAME, NAME:TAG or a digest")
    .argument("<ref>", "the new NAME or NAME:TAG")
    .addHelpText("after", examples([["isthmus image tag web:1 web:stable"]]))
    .action(async (source: string, target: string) => {
      const isthmus = await context.client();
      const image = await isthmus.images.tag(source, target);
      if (context.json) await context.printJson(image);
    });
}
