import { Command } from "commander";
import { archiveSource } from "../archive/source.ts";
import type { Context } from "../context.ts";
import { collect, examples } from "../help.ts";
import { commandForm } from "../parse/import-options.ts";
import { progressView } from "../terminal/progress.ts";

interface ImportOptions {
  readonly cmd?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function imageImport(context: Context, name: string): Command {
  return new Command(name)
    .description("Make an image of a root file system: a tar archive (plain, gzip, zstd), a folder, or - for an archive on stdin.")
    .argument("<source>", "file, folder or -")
    .argument("<ref>", "NAME or NAME:TAG")
    .option("--cmd <command>", "command of the image: a line for the shell, or a JSON array", commandForm("--cmd"))
    .option("--entrypoint <command>", "entrypoint of the image, in the same forms", commandForm("--entrypoint"))
    .option("-e, --env <name=value>", "environment variable of the image (repeatable)", collect)
    .option("-w, --workdir <path>", "where its command starts")
    .option("-u, --user <user[:group]>", "who it runs as")
    .option("-q, --quiet", "no progress")
    .addHelpText(
      "after",
      examples([
        ["isthmus image import rootfs.tar.gz debian:12"],
        ["isthmus image import ./rootfs mine --cmd '[\"/bin/sh\"]'", "a folder"],
        ["docker export web | isthmus image import - web", "from stdin"],
      ]),
    )
    .action(async (source: string, ref: string, options: ImportOptions) => {
      const isthmus = await context.client();
      const archive = archiveSource(context, source);
      const view = progressView(context.world.stderr, context.json || options.quiet === true);
      try {
        const { cmd: command, entrypoint, env, workdir, user } = options;
        const image = await isthmus.images.import(archive, { ref, command, entrypoint, env, workdir, user, onProgress: view.update });
        view.stop();
        if (options.json) await context.printJson(image);
        else await context.print(`${image.digest}\n`);
      } finally {
        view.stop();
      }
    });
}
