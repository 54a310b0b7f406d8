import { copyFileSync, mkdirSync, openSync, renameSync, statSync, truncateSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { type Logger, pino } from "pino";
import { LOG_CHECK_MS, LOG_ROTATE_BYTES, LOG_WAITING_BYTES } from "./config.ts";

/**
 * JSON lines to `path`, written at once so that a kill loses none. Authorization headers and tokens never get in. A file that grew too large is set aside.
 * What a full disk does not take waits for the next line; beyond LOG_WAITING_BYTES it is lost. A log never ends the daemon.
 */
export function openLog(path: string, level: string): Logger {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  setAside(path);
  const log = pino(
    { level, redact: ["req.headers.authorization", "headers.authorization", "token"], base: { pid: process.pid } },
    new LogFile(path),
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

/** Appends, and never throws. Pino's own destination ends the process on a full disk, or keeps it from ending. */
class LogFile {
  readonly #file: number;
  #waiting: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#file = openSync(path, "a", 0o600);
  }

  write(line: string): void {
    if (this.#waiting.length + line.length > LOG_WAITING_BYTES) return;
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(line)]);
    try {
      while (this.#waiting.length > 0) this.#waiting = this.#waiting.subarray(writeSync(this.#file, this.#waiting));
    } catch {
      // It waits for the next line.
    }
  }
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
