import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { IsthmusError } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { daemonPaths } from "../daemon/paths.ts";
import { examples } from "../help.ts";
import { tail } from "../parse/amounts.ts";
import { write } from "../terminal/write.ts";

interface LogsOptions {
  readonly follow?: boolean;
  readonly tail?: number;
}

export function daemonLogs(context: Context): Command {
  return new Command("logs")
    .description("Show the daemon's log, which is lines of JSON (pino's form).")
    .option("-f, --follow", "go on with what it writes")
    .option("-n, --tail <lines>", "only the last lines, or all", tail)
    .addHelpText("after", examples([["isthmus daemon logs -n 50"], ["isthmus daemon logs -f"]]))
    .action(async (options: LogsOptions) => {
      const { log } = daemonPaths(context.world.env);
      if (!existsSync(log)) throw new IsthmusError("LOCAL_FILE", { path: log, reason: "no daemon has written a log there" });
      const args = [`--lines=${options.tail ?? "+1"}`, ...(options.follow ? ["--follow=name"] : []), "--", log];
      const child = spawn("tail", args, { stdio: ["ignore", "pipe", "inherit"] });
      const closed = once(child, "close");
      try {
        for await (const piece of child.stdout) {
          const bytes: Buffer = piece;
          await write(context.world.stdout, bytes);
        }
        await closed;
      } finally {
        child.kill();
      }
    });
}
