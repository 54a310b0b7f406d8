import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { DAEMON_LOG_TAIL_BYTES } from "../config.ts";

/** The last whole lines of a file, from `fromByte` on (all of one that has been emptied since); none when there is no file. */
export function tailOf(file: string, fromByte = 0): readonly string[] {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(fd);
    const from = fromByte > size ? 0 : fromByte;
    const start = Math.max(from, size - DAEMON_LOG_TAIL_BYTES);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    const read = readSync(fd, bytes, 0, bytes.length, start);
    const lines = bytes.subarray(0, read).toString("utf8").split("\n");
    if (start > from) lines.shift();
    return lines.filter((line) => line.trim() !== "");
  } finally {
    closeSync(fd);
  }
}

/** Why a daemon ended, from its log: the message of the last line that tells of an error, else the last line. */
export function failureReason(lines: readonly string[]): string | undefined {
  const messages = lines.map(readLine);
  const worst =
    messages.findLast((line) => line.level >= ERROR_LEVEL) ?? messages.findLast((line) => /error/i.test(line.text)) ?? messages.at(-1);
  return worst?.text;
}

/** pino's number for errors */
const ERROR_LEVEL = 50;

function readLine(line: string): { readonly level: number; readonly text: string } {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === "object" && entry !== null && "msg" in entry) {
      const level = "level" in entry && typeof entry.level === "number" ? entry.level : 0;
      const error =
        "err" in entry && typeof entry.err === "object" && entry.err !== null && "message" in entry.err ? `: ${entry.err.message}` : "";
      return { level, text: `${entry.msg}${error}` };
    }
  } catch {
    // not one of the daemon's own lines: shown as it is
  }
  return { level: 0, text: line };
}
