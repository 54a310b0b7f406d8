import { TAIL_RECORDS_MAX } from "./config.ts";
import type { Scanner } from "./scan.ts";

export interface TailStart {
  /** where reading begins */
  readonly offset: number;
  /** lines to leave out at the beginning of the first record there */
  readonly skipLines: number;
}

const NEWLINE = 0x0a;

/** Finds where the last `lines` lines of stdout and stderr begin, reading forward once. A last line without line feed counts. */
export async function findTail(scanner: Scanner, lines: number): Promise<TailStart> {
  const held: { start: number; newlines: number }[] = [];
  let first = 0;
  let total = 0;
  let open = false;
  let at = scanner.offset;
  for (let batch = await scanner.batch(); batch; batch = await scanner.batch()) {
    for (const record of batch) {
      const start = at;
      at = record.end;
      if (!isText(record)) continue;
      const newlines = countLines(record.payload);
      held.push({ start, newlines });
      total += newlines;
      open = record.payload.at(-1) !== NEWLINE;
      while (
        first < held.length - 1 &&
        (total - (held[first]?.newlines ?? 0) + (open ? 1 : 0) > lines || held.length - first > TAIL_RECORDS_MAX)
      ) {
        total -= held[first]?.newlines ?? 0;
        first += 1;
      }
      if (first > TAIL_RECORDS_MAX) {
        held.splice(0, first);
        first = 0;
      }
    }
  }
  const begin = held[first];
  if (lines === 0 || !begin) return { offset: at, skipLines: 0 };
  return { offset: begin.start, skipLines: Math.max(0, total + (open ? 1 : 0) - lines) };
}

export function isText(record: { readonly kind: string }): boolean {
  return record.kind === "stdout" || record.kind === "stderr";
}

/** The payload after its first `lines` lines. */
export function dropLines(payload: Buffer, lines: number): Buffer {
  let at = 0;
  for (let dropped = 0; dropped < lines; dropped += 1) {
    const next = payload.indexOf(NEWLINE, at);
    if (next < 0) return payload.subarray(payload.length);
    at = next + 1;
  }
  return payload.subarray(at);
}

function countLines(payload: Buffer): number {
  let count = 0;
  for (let at = payload.indexOf(NEWLINE); at >= 0; at = payload.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}
