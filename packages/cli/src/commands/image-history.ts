import { formatBytes } from "@isthmus/contract";
import { Command } from "commander";
import { COMMAND_COLUMN_CHARS, SHORT_ID_CHARS } from "../config.ts";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";
import { truncate } from "../terminal/width.ts";

/** steps of builders are longer than commands of machines */
const STEP_CHARS = 2 * COMMAND_COLUMN_CHARS;

interface HistoryOptions {
  readonly trunc: boolean;
  readonly json?: boolean;
}

export function imageHistory(context: Context, name: string): Command {
  return new Command(name)
    .description("Show the steps that made an image, newest first, with the layers that they made.")
    .argument("<image>", "NAME, NAME:TAG or a digest")
    .option("--no-trunc", "steps and digests in full")
    .addHelpText("after", examples([["isthmus image history debian:12"], ["isthmus history --no-trunc web"]]))
    .action(async (ref: string, options: HistoryOptions) => {
      const isthmus = await context.client();
      const history = await isthmus.images.history(ref);
      if (options.json) return context.printJson(history);
      const rows = history.map(({ layer, createdAt, createdBy, sizeBytes, comment }) => [
        layer === undefined ? "" : options.trunc ? layer.replace(/^sha256:/, "").slice(0, SHORT_ID_CHARS) : layer,
        createdAt === undefined || Number.isNaN(Date.parse(createdAt)) ? "" : ago(createdAt),
        options.trunc ? truncate(createdBy, STEP_CHARS) : createdBy,
        formatBytes(sizeBytes),
        comment,
      ]);
      await context.print(renderTable(["LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT"], rows, { right: ["SIZE"] }));
    });
}
