import { type FileHandle, open } from "node:fs/promises";
import type { DecodedRecord } from "@isthmus/agent-client";
import type { OutputReadOptions, OutputRecord } from "@isthmus/core";
import { Changes } from "./changes.ts";
import type { Followers, Place } from "./followers.ts";
import { readHead } from "./head.ts";
import { Scanner } from "./scan.ts";
import { dropLines, findTail, isText } from "./tail.ts";

const NS_PER_MS = 1_000_000n;

/**
 * Records of `path`, oldest first; nothing when the file is missing. With `follow` until `until` settled and the rest was read, or `signal` aborts. A reader
 * whose place was trimmed away gets a `dropped` record of its own there.
 */
export async function* readRecords(
  path: string,
  options: OutputReadOptions,
  followers: Followers,
): AsyncGenerator<OutputRecord, void, undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return;
  try {
    // Before anything is looked at, so that nothing is trimmed unnoticed in between.
    using place = followers.enter(path);
    const head = await readHead(path, (await file.stat()).size);
    place.offset = Math.max(options.fromOffset ?? 0, head);
    // Who comes back to a place that has gone meanwhile is told so as well.
    if (options.fromOffset !== undefined && options.fromOffset < head && options.tailLines === undefined) {
      place.offset = options.fromOffset;
      place.cut = Math.max(place.cut, head);
    }
    let skipLines = 0;
    if (options.tailLines !== undefined) {
      const tail = await findTail(new Scanner(file, place.offset), options.tailLines);
      place.offset = tail.offset;
      skipLines = tail.skipLines;
    }
    const reader = new PlacedReader(file, place);
    for await (const record of options.follow ? following(path, reader, options) : once(reader)) {
      place.offset = record.end;
      if (record.kind === "dropped") skipLines = 0;
      const payload = skipLines > 0 && isText(record) ? dropLines(record.payload, skipLines) : record.payload;
      if (isText(record)) skipLines = 0;
      if (options.sinceNs !== undefined && record.timeNs < options.sinceNs) continue;
      yield { kind: record.kind, timeNs: record.timeNs, payload, nextOffset: record.end };
    }
  } finally {
    await file.close();
  }
}

/** Reads on from its place, and past what was trimmed away there: that may have been read as zeros. */
class PlacedReader {
  readonly #file: FileHandle;
  readonly #place: Place;
  #scanner: Scanner;

  constructor(file: FileHandle, place: Place) {
    this.#file = file;
    this.#place = place;
    this.#scanner = new Scanner(file, place.offset);
  }

  /** As of Scanner. */
  async batch(): Promise<readonly DecodedRecord[] | undefined> {
    const from = this.#scanner.offset;
    const batch = await this.#scanner.batch();
    const { cut } = this.#place;
    if (cut <= from) return batch;
    this.#scanner = new Scanner(this.#file, cut);
    const payload = Buffer.from(JSON.stringify({ bytes: cut - from }));
    return [{ kind: "dropped", timeNs: BigInt(Date.now()) * NS_PER_MS, seq: 0, payload, end: cut }];
  }
}

async function* once(reader: PlacedReader): AsyncGenerator<DecodedRecord, void, undefined> {
  for (let batch = await reader.batch(); batch; batch = await reader.batch()) yield* batch;
}

async function* following(path: string, reader: PlacedReader, options: OutputReadOptions): AsyncGenerator<DecodedRecord, void, undefined> {
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
      for (let batch = await reader.batch(); batch; batch = await reader.batch()) {
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
