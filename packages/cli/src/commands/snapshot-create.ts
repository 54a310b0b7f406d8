import { formatBytes, formatDuration } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { escapeControls } from "../terminal/escape.ts";

export function snapshotCreate(context: Context): Command {
  return new Command("create")
    .description("Keep memory, devices and disk of a running machine as they are now; it goes on. Prints the snapshot's id.")
    .argument("<machine>", "id, name or beginning of an id")
    .option("--name <name>", "name of the snapshot; made up when absent")
    .addHelpText(
      "after",
      examples([["isthmus snapshot create web"], ["isthmus snapshot create web --name before", "for: isthmus clone before"]]),
    )
    .action(async (machine: string, { name }: { readonly name?: string }) => {
      const isthmus = await context.client();
      const snapshot = await isthmus.snapshots.create(machine, { name });
      if (context.json) return context.printJson(snapshot);
      await context.print(`${snapshot.id}\n`);
      const { sizeBytes, pausedMs, machineName } = snapshot;
      context.note(
        `snapshot ${escapeControls(snapshot.name)}: ${formatBytes(sizeBytes)} on disk; ${escapeControls(machineName)} stood still for ${formatDuration(pausedMs)}`,
      );
    });
}
