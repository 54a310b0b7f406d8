import { copyFileSync, mkdirSync, renameSync, statSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { type Logger, pino } from "pino";
import { LOG_CHECK_MS, LOG_ROTATE_BYTES } from "./config.ts";

/** JSON lines to `path`, written at once so that a kill loses none. Authorization headers and tokens never get in. A file that grew too large is set aside. */
export function openLog(path: string, level: string): Logger {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  setAside(path);
  const destination = pino.destination({ dest: path, sync: true, append: true, mode: 0o600 });
  const log = pino(
    { level, redact: ["req.headers.authorization", "headers.authorization", "token"], base: { pid: process.pid } },
    destination,
  );
  setInterval(() => {
    try {
      setAside(path);
    } catch (error) {
      log.warn({ err: error }, "the log cannot be set aside");
    }
  }, LOG_CHECK_MS).unref();
  return log;
}

/**
 * Moves what a log of more than `limitBytes` holds to `PATH.1`. The file itself stays: it is also what the command that started us gave us as stdout and
 * stderr, and all of them append.
 */
export function setAside(path: string, limitBytes: number = LOG_ROTATE_BYTES): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= limitBytes) return;
  copyFileSync(path, `${path}.1.half`);
  renameSync(`${path}.1.half`, `${path}.1`);
  truncateSync(path);
}
