import { formatBytes, type Template } from "@isthmus/contract";
import { Command } from "commander";
import { SHORT_ID_CHARS } from "../config.ts";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";

const headings = ["KEY", "IMAGE", "SHAPE", "STATE", "USED", "CLONES", "READY", "ZYGOTE", "SIZE"];

export function templateLs(context: Context): Command {
  return new Command("ls")
    .description("List templates: booted, idle guests that machines of the same image and shape are cloned from.")
    .addHelpText("after", examples([["isthmus template ls"], ["isthmus template ls --json"]]))
    .action(async () => {
      const isthmus = await context.client();
      const [templates, images] = await Promise.all([isthmus.templates.list(), isthmus.images.list()]);
      if (context.json) return context.printJson(templates);
      const names = new Map(images.map(({ digest, tags }) => [digest, tags[0]]));
      const rows = templates.map((template) => row(template, names.get(template.imageDigest)));
      await context.print(renderTable(headings, rows, { right: ["CLONES", "READY", "SIZE"] }));
    });
}

function row(template: Template, image: string | undefined): readonly string[] {
  const { key, state, reason, cpus, memoryBytes, diskBytes, network, usedAt, clones, prepared, zygote, sizeBytes } = template;
  const disk = diskBytes === undefined ? "read-only" : `${formatBytes(diskBytes)} disk`;
  const shape = `${cpus} CPU, ${formatBytes(memoryBytes)}, ${disk}${network === "none" ? "" : `, network ${network}`}`;
  return [
    key.slice(0, SHORT_ID_CHARS),
    image ?? "<removed>",
    shape,
    reason === undefined ? state : `${state}: ${reason}`,
    ago(usedAt),
    String(clones),
    String(prepared ?? 0),
    zygote === true ? "yes" : "no",
    formatBytes(sizeBytes),
  ];
}
