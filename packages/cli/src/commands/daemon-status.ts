import { formatBytes, hasCode } from "@isthmus/contract";
import { Command } from "commander";
import { exitCodes } from "../config.ts";
import type { Context } from "../context.ts";
import { daemonPaths } from "../daemon/paths.ts";
import { examples } from "../help.ts";
import { renderPairs } from "../terminal/table.ts";
import { ago } from "../terminal/time.ts";

export function daemonStatus(context: Context): Command {
  return new Command("status")
    .description("Say whether the daemon runs. Exit code 1 when it does not; none is started.")
    .addHelpText("after", examples([["isthmus daemon status"], ["isthmus daemon status --json | jq .daemon.machines"]]))
    .action(async () => {
      const { socket, log } = daemonPaths(context.world.env);
      try {
        const isthmus = await context.runningClient();
        const daemon = await isthmus.version();
        if (context.json) return await context.printJson({ running: true, daemon, address: isthmus.address, log });
        const machines = Object.entries(daemon.machines).map(([state, count]) => `${count} ${state}`);
        await context.print(
          renderPairs([
            ["Daemon", `running, pid ${daemon.pid}, version ${daemon.version}`],
            ["Started", ago(daemon.startedAt)],
            ["Machines", machines.join(", ") || "none"],
            ["Memory", formatBytes(daemon.rssBytes)],
            ["Address", isthmus.address],
            ["Home", daemon.home],
            ["Log", log],
          ]),
        );
      } catch (error) {
        if (!hasCode(error, "DAEMON_UNREACHABLE")) throw error;
        context.exitCode = exitCodes.error;
        if (context.json) return await context.printJson({ running: false, reason: error.details.reason, address: socket, log });
        await context.print(
          renderPairs([
            ["Daemon", `does not run (${error.details.reason})`],
            ["Address", String(error.details.address ?? socket)],
            ["Log", log],
          ]),
        );
      }
    });
}
