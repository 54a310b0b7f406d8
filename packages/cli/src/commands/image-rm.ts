import { Command } from "commander";
import type { Context } from "../context.ts";
import { eachTarget } from "../each.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";

interface RmOptions {
  readonly force?: boolean;
}

export function imageRm(context: Context, name: string): Command {
  return new Command(name)
    .description("Take names from images; an image goes with its last name.")
    .argument("<image...>", "NAME, NAME:TAG or a digest")
    .option("-f, --force", "even when a machine uses it")
    .addHelpText("after", examples([["isthmus image rm web:1"]]))
    .action((refs: string[], options: RmOptions) =>
      eachTarget(
        context,
        refs,
        (isthmus, ref) => isthmus.images.remove(ref, { force: options.force }),
        ({ untagged, deleted }) =>
          [...untagged.map((tag) => `Untagged: ${tag}`), ...deleted.map((digest) => `Deleted: ${digest}`)]
            .map((line) => `${escapeControls(line)}\n`)
            .join(""),
      ),
    );
}
