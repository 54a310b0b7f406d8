import { Command } from "commander";
import { archiveSource } from "../archive/source.ts";
import type { Context } from "../context.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";
import { progressView } from "../terminal/progress.ts";

interface LoadOptions {
  readonly input?: string;
  readonly ref?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function imageLoad(context: Context, name: string): Command {
  return new Command(name)
    .description("Load the images of an OCI archive, an OCI layout folder, or what docker save wrote.")
    .argument("[source]", "file, folder or - for stdin, which is the default")
    .option("-i, --input <file>", "the same, as docker names it")
    .option(
      "--ref <ref>",
      "NAME or NAME:TAG for it, beside the names that it has in the archive; of several images for those that have none",
    )
    .option("-q, --quiet", "no progress")
    .addHelpText(
      "after",
      examples([["isthmus image load web.tar"], ["docker save web | isthmus image load"], ["isthmus image load ./layout --ref web:1"]]),
    )
    .action(async (source: string | undefined, options: LoadOptions) => {
      if (source !== undefined && options.input !== undefined) throw usage(context, "name the source once, as an argument or with -i");
      const isthmus = await context.client();
      const archive = archiveSource(context, source ?? options.input ?? "-");
      const view = progressView(context.world.stderr, context.json || options.quiet === true);
      try {
        const images = await isthmus.images.load(archive, { ref: options.ref, onProgress: view.update });
        view.stop();
        if (options.json) return await context.printJson(images);
        for (const { tags, digest } of images) await context.print(`${escapeControls(tags.length > 0 ? tags.join(" ") : digest)}\n`);
      } finally {
        view.stop();
      }
    });
}
