import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { Command } from "commander";
import { DAEMON_POLL_MS, DAEMON_STOP_DEADLINE_MS } from "../config.ts";
import type { Context } from "../context.ts";
import { daemonPaths } from "../daemon/paths.ts";
import { isAlive } from "../daemon/process.ts";
import { usage } from "../failure.ts";
import { examples } from "../help.ts";

export function daemonStop(context: Context): Command {
  return new Command("stop")
    .description("Stop the daemon in order. Machines go on and are taken up again by the next daemon.")
    .addHelpText("after", examples([["isthmus daemon stop"]]))
    .action(async () => {
      if (context.world.env.ISTHMUS_URL) throw usage(context, "ISTHMUS_URL names a daemon elsewhere, which is not stopped from here");
      const pid = await daemonPid(context);
      if (pid !== undefined) await end(pid);
      if (context.json) return context.printJson({ stopped: pid !== undefined, pid: pid ?? null });
      await context.print(pid === undefined ? "no daemon runs\n" : `daemon stopped, pid ${pid}\n`);
    });
}

async function daemonPid(context: Context): Promise<number | undefined> {
  try {
    const isthmus = await context.runningClient();
    return (await isthmus.version()).pid;
  } catch (error) {
    if (hasCode(error, "DAEMON_UNREACHABLE") && error.details.address === daemonPaths(context.world.env).socket) return undefined;
    throw error;
  }
}

async function end(pid: number): Promise<void> {
  try {
    process.kill(pid, "SIGTERM");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (code === "ESRCH") return;
    throw new IsthmusError("HOST_COMMAND_FAILED", { program: `kill ${pid}`, reason: code }, { cause });
  }
  const deadline = Date.now() + DAEMON_STOP_DEADLINE_MS;
  while (isAlive(pid)) {
    if (Date.now() > deadline) throw new IsthmusError("TIMEOUT", { what: `the end of daemon ${pid}`, limit: DAEMON_STOP_DEADLINE_MS });
    await sleep(DAEMON_POLL_MS);
  }
}
