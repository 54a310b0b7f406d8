import { spawn } from "node:child_process";
import { constants } from "node:os";
import { IsthmusError } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { daemonPaths } from "../daemon/paths.ts";
import { daemonArguments, daemonEnvironment } from "../daemon/program.ts";
import { examples } from "../help.ts";

export function daemonRun(context: Context): Command {
  return new Command("run")
    .description("Run the daemon in the foreground, for service managers and for watching it. Its exit code becomes ours.")
    .addHelpText("after", examples([["isthmus daemon run"], ["ISTHMUS_HOME=/tmp/try isthmus daemon run"]]))
    .action(async () => {
      const env = daemonEnvironment(context.world.env, daemonPaths(context.world.env));
      const child = spawn(process.execPath, daemonArguments(), { stdio: ["ignore", "inherit", "inherit"], env });
      const unhook = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => context.world.onSignal(name, () => child.kill(name)));
      try {
        context.exitCode = await new Promise<number>((resolve, reject) => {
          child.once("error", (cause) =>
            reject(new IsthmusError("HOST_COMMAND_FAILED", { program: "node", reason: cause.message }, { cause })),
          );
          child.once("exit", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
        });
      } finally {
        for (const off of unhook) off();
      }
    });
}
