import { formatBytes, type Image } from "@isthmus/contract";
import { Command } from "commander";
import { SHORT_ID_CHARS } from "../config.ts";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";

interface LsOptions {
  readonly quiet?: boolean;
  readonly trunc: boolean;
  readonly json?: boolean;
}

export function imageLs(context: Context, name: string): Command {
  return new Command(name)
    .description("List the images of this host, one line for each name.")
    .option("-q, --quiet", "digests only")
    .option("--no-trunc", "digests in full")
    .addHelpText("after", examples([["isthmus image ls"], ["isthmus image ls --json"]]))
    .action(async (options: LsOptions) => {
      const isthmus = await context.client();
      const images = await isthmus.images.list();
      if (options.json) return context.printJson(images);
      const shown = (digest: string): string => (options.trunc ? digest.replace(/^sha256:/, "").slice(0, SHORT_ID_CHARS) : digest);
      if (options.quiet) return context.print(images.map(({ digest }) => `${shown(digest)}\n`).join(""));
      const rows = images.flatMap((image) => (image.tags.length > 0 ? image.tags : [""]).map((tag) => row(image, tag, shown)));
      await context.print(renderTable(["NAME", "TAG", "ID", "CREATED", "SIZE", "ROOTFS"], rows, { right: ["SIZE", "ROOTFS"] }));
    });
}

function row(image: Image, tag: string, shown: (digest: string) => string): readonly string[] {
  const cut = tag.lastIndexOf(":");
  const isTagged = cut > tag.lastIndexOf("/");
  const [name, version] = tag === "" ? ["<none>", "<none>"] : isTagged ? [tag.slice(0, cut), tag.slice(cut + 1)] : [tag, "latest"];
  return [name, version, shown(image.digest), ago(image.createdAt), formatBytes(image.sizeBytes), formatBytes(image.rootfsBytes)];
}
