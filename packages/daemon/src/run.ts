import { join } from "node:path";
import process from "node:process";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { type DaemonConfig, readConfig, STOP_DEADLINE_MS } from "./config.ts";
import { type RunningDaemon, startDaemon } from "./daemon.ts";
import { openLog } from "./log.ts";
import { takePrecedence } from "./precedence.ts";
import { PROJECT_ROOT } from "./root.ts";

/** exit code after a setting or a folder that does not do */
const EXIT_CONFIG = 2;

/** Runs a daemon until a signal or a fault ends this process. */
export async function runDaemon(): Promise<void> {
  process.umask(0o077);
  // Node's own words go to the log as well; a full disk that does not take them must not end the daemon.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  const config = configOrExit();
  const log = openLog(join(config.home, "daemon.log"), config.logLevel);
  takePrecedence();
  let daemon: RunningDaemon | undefined;
  let ending = false;
  const end = (why: string, code: number) => {
    if (ending) return;
    ending = true;
    log.info({ why }, "the daemon is stopping");
    setTimeout(() => {
      log.error({ limitMs: STOP_DEADLINE_MS }, "the stop took too long; ending anyway, machines go on");
      process.exit(1);
    }, STOP_DEADLINE_MS).unref();
    Promise.resolve(daemon?.close()).then(
      () => process.exit(code),
      (error: unknown) => {
        log.error({ err: error }, "the stop failed; machines go on");
        process.exit(1);
      },
    );
  };
  // After a fault that nobody foresaw the memory of this process is not to be trusted. Machines outlive it and the next daemon takes them up.
  for (const fault of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(fault, (error: unknown) => {
      log.fatal({ err: error, fault }, "a fault of Isthmus");
      end(fault, 1);
    });
  }
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => end(signal, 0));
  process.on("SIGHUP", () => daemon?.reload());
  try {
    daemon = await startDaemon(config, log);
  } catch (error) {
    log.fatal({ err: error }, IsthmusError.from(error).message);
    // What is wrong with a file that a setting names shows only when it is read.
    if (hasCode(error, "CONFIG_INVALID")) exitForConfig(error);
    process.exit(1);
  }
  if (ending) await daemon.close();
}

function configOrExit(): DaemonConfig {
  try {
    return readConfig(process.env, process.getuid?.() ?? 0, PROJECT_ROOT);
  } catch (error) {
    return exitForConfig(IsthmusError.from(error));
  }
}

function exitForConfig({ code, message, remedy }: IsthmusError): never {
  process.stderr.write(`${JSON.stringify({ level: 60, code, msg: `${message}. ${remedy}` })}\n`);
  process.exit(EXIT_CONFIG);
}
