import { formatBytes, formatDuration, type Snapshot } from "@isthmus/contract";
import { Command } from "commander";
import { SHORT_ID_CHARS } from "../config.ts";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";

interface LsOptions {
  readonly quiet?: boolean;
  readonly trunc: boolean;
  readonly json?: boolean;
}

const headings = ["NAME", "ID", "MACHINE", "IMAGE", "SIZE", "PAUSED", "CREATED", "STATUS"];

export function snapshotLs(context: Context, name: string): Command {
  return new Command(name)
    .description(
      "List snapshots, newest first, and whether they can be used on this host. PAUSED is how long the machine stood still for one.",
    )
    .option("-q, --quiet", "ids only")
    .option("--no-trunc", "ids in full")
    .addHelpText("after", examples([["isthmus snapshot ls"], ["isthmus snapshot ls --json"]]))
    .action(async (options: LsOptions) => {
      const isthmus = await context.client();
      const snapshots = await isthmus.snapshots.list();
      if (options.json) return context.printJson(snapshots);
      const shown = (id: string): string => (options.trunc ? id.slice(0, SHORT_ID_CHARS) : id);
      if (options.quiet) return context.print(snapshots.map(({ id }) => `${shown(id)}\n`).join(""));
      const rows = snapshots.map((snapshot) => row(context, snapshot, shown));
      await context.print(renderTable(headings, rows, { right: ["SIZE", "PAUSED"] }));
    });
}

function row({ style }: Context, snapshot: Snapshot, shown: (id: string) => string): readonly Cell[] {
  const { id, name, machineName, spec, sizeBytes, pausedMs, createdAt, unusable } = snapshot;
  const status = unusable === undefined ? "usable" : style.yellow(`unusable: ${escapeControls(unusable)}`);
  return [name, shown(id), machineName, spec.image, formatBytes(sizeBytes), formatDuration(pausedMs), ago(createdAt), { styled: status }];
}
