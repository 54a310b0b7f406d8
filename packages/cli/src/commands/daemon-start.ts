import { Command } from "commander";
import type { Context } from "../context.ts";
import { answers, start } from "../daemon/connect.ts";
import { daemonPaths } from "../daemon/paths.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";

export function daemonStart(context: Context): Command {
  return new Command("start")
    .description("Start the daemon in the background. Other commands do so by themselves unless ISTHMUS_NO_AUTOSTART is set.")
    .addHelpText("after", examples([["isthmus daemon start"]]))
    .action(async () => {
      const { env } = context.world;
      if (env.ISTHMUS_URL) throw usage(context, "ISTHMUS_URL names a daemon elsewhere, which is not started from here");
      const { Isthmus } = await import("@isthmus/sdk");
      const paths = daemonPaths(env);
      const isthmus = new Isthmus({ socketPath: paths.socket });
      const outcome = (await answers(isthmus)) ? "found" : await start(context.world, isthmus, context.json);
      const daemon = await isthmus.version();
      if (context.json) return context.printJson({ started: outcome === "started", daemon, socket: paths.socket, log: paths.log });
      await context.print(`daemon ${outcome === "started" ? "started" : "runs already"}, pid ${daemon.pid}\n`);
    });
}
