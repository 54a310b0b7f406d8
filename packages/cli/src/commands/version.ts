import { hasCode, IsthmusError } from "@isthmus/contract";
import type { Version } from "@isthmus/sdk";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { OWN_VERSION } from "../own-version.ts";
import { renderPairs } from "../terminal/table.ts";

export function version(context: Context): Command {
  return new Command("version")
    .description("Show the versions of this command and of the daemon, when one runs (none is started).")
    .addHelpText("after", examples([["isthmus version"], ["isthmus version --json"]]))
    .action(async () => {
      const client = { version: OWN_VERSION, node: process.versions.node };
      const { daemon, reason } = await daemonVersion(context);
      if (context.json) return context.printJson({ client, daemon: daemon ?? null });
      await context.print(
        renderPairs([
          ["Command", client.version],
          ["  Node", client.node],
          ["Daemon", daemon?.version ?? `none (${reason})`],
          ...(daemon
            ? ([
                ["  API", daemon.api],
                ["  Node", daemon.node],
                ["  Process", daemon.pid],
                ["  Home", daemon.home],
              ] as const)
            : []),
        ]),
      );
    });
}

async function daemonVersion(context: Context): Promise<{ readonly daemon?: Version; readonly reason: string }> {
  try {
    const isthmus = await context.runningClient();
    return { daemon: await isthmus.version(), reason: "" };
  } catch (error) {
    if (hasCode(error, "DAEMON_UNREACHABLE")) return { reason: String(error.details.reason ?? "it does not answer") };
    throw IsthmusError.from(error);
  }
}
