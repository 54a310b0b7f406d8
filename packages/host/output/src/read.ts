import { open } from "node:fs/promises";
import type { DecodedRecord } from "@isthmus/agent-client";
import type { OutputReadOptions, OutputRecord } from "@isthmus/core";
import { Changes } from "./changes.ts";
import type { Followers } from "./followers.ts";
import { readHead } from "./head.ts";
import { Scanner } from "./scan.ts";
import { dropLines, findTail, isText } from "./tail.ts";

/** Records of `path`, oldest first; nothing when the file is missing. With `follow` until `until` settled and the rest was read, or `signal` aborts. */
export async function* readRecords(
  path: string,
  options: OutputReadOptions,
  followers: Followers,
): AsyncGenerator<OutputRecord, void, undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return;
  try {
    let offset = Math.max(options.fromOffset ?? 0, await readHead(path));
    let skipLines = 0;
    if (options.tailLines !== undefined) ({ offset, skipLines } = await findTail(new Scanner(file, offset), options.tailLines));
    const scanner = new Scanner(file, offset);
    using place = followers.enter(path, offset);
    for await (const record of options.follow ? following(path, scanner, options) : once(scanner)) {
      place.offset = record.end;
      const payload = skipLines > 0 && isText(record) ? dropLines(record.payload, skipLines) : record.payload;
      if (isText(record)) skipLines = 0;
      if (options.sinceNs !== undefined && record.timeNs < options.sinceNs) continue;
      yield { kind: record.kind, timeNs: record.timeNs, payload, nextOffset: record.end };
    }
  } finally {
    await file.close();
  }
}

async function* once(scanner: Scanner): AsyncGenerator<DecodedRecord, void, undefined> {
  for (let batch = await scanner.batch(); batch; batch = await scanner.batch()) yield* batch;
}

async function* following(path: string, scanner: Scanner, options: OutputReadOptions): AsyncGenerator<DecodedRecord, void, undefined> {
  using changes = new Changes(path);
  let finished = false;
  const finish = () => {
    finished = true;
    changes.poke();
  };
  options.until?.then(finish, finish);
  const abort = () => changes.poke();
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    while (!options.signal?.aborted) {
      const last = finished;
      for (let batch = await scanner.batch(); batch; batch = await scanner.batch()) {
        yield* batch;
        if (options.signal?.aborted) return;
      }
      if (last) return;
      if (!finished) await changes.next();
    }
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
}
