import { mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { type Logger, pino } from "pino";
import { LOG_ROTATE_BYTES } from "./config.ts";

/** JSON lines to `path`, written at once so that a kill loses none. Authorization headers and tokens never get in. */
export function openLog(path: string, level: string): Logger {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_ROTATE_BYTES) renameSync(path, `${path}.1`);
  const destination = pino.destination({ dest: path, sync: true, mode: 0o600 });
  return pino({ level, redact: ["req.headers.authorization", "headers.authorization", "token"], base: { pid: process.pid } }, destination);
}
