import { isUtf8 } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import { channels, hasCode, LOG_PLACE_CHANNEL, type LogLine, type Machine, type MachineStats, type RunLine } from "@isthmus/contract";
import { LogLineSchema, MachineStatsSchema } from "@isthmus/contract/schemas";
import type { LogChunk, Machines } from "@isthmus/core";
import { Type } from "typebox";
import { permit } from "../access.ts";
import { type begun, callSignal, sendLines, sendStream, unlessAborted } from "../calls.ts";
import { STATS_INTERVAL_MS } from "../config.ts";
import type { Routes } from "../deps.ts";
import { API_PREFIX, closed, failures, flag, media, RefParams, SinceSchema } from "../schemas.ts";
import { parseSince } from "../since.ts";
import { JSON_LINES_TYPE, type StreamForm } from "../stream-body.ts";

/** Largest tail, lines */
const TAIL_LINES = 10_000_000;
const RAW_TYPE = "application/vnd.isthmus.raw-logs";

const LogQuery = closed({
  follow: flag("go on until the machine has ended for good; default false"),
  since: SinceSchema,
  tail: Type.Optional(Type.Integer({ minimum: 0, maximum: TAIL_LINES, description: "only the last lines, this many" })),
  stdout: flag("default true"),
  stderr: flag("default true"),
  from: Type.Optional(
    Type.Integer({ minimum: 0, description: "begin at this place, the `next` of an earlier answer; goes before latest" }),
  ),
  latest: flag("only what was written since the last start; default false"),
  raw: flag(
    `${RAW_TYPE} instead of JSON lines: per record a channel byte (1 stdout, 2 stderr, 8 error), the length as u32 big-endian, the bytes`,
  ),
  places: flag("with raw, before each record one on channel 9: the place after it, as u64 big-endian; default false"),
});

const StatsQuery = closed({ stream: flag("JSON lines, one a second, until the machine ends; default false") });

/** A machine that was just made, then all that it writes until it has ended for good. */
export async function* runLines(machine: Machine, chunks: ReturnType<typeof begun<LogChunk>>): AsyncGenerator<RunLine> {
  try {
    yield { machine };
    yield* lines(chunks);
  } finally {
    await chunks.return();
  }
}

function toLine(chunk: LogChunk): LogLine {
  const nanos = chunk.timeNs % 1_000_000_000n;
  const seconds = new Date(Number(chunk.timeNs / 1_000_000n)).toISOString().slice(0, 19);
  const time = `${seconds}.${nanos.toString().padStart(9, "0")}Z`;
  const { stream, bytes, next } = chunk;
  return isUtf8(bytes) ? { stream, time, text: bytes.toString("utf8"), next } : { stream, time, base64: bytes.toString("base64"), next };
}

async function* lines(chunks: AsyncIterable<LogChunk>): AsyncGenerator<LogLine> {
  for await (const chunk of chunks) yield toLine(chunk);
}

function record(channel: number, bytes: Buffer): readonly Buffer[] {
  const head = Buffer.allocUnsafe(5);
  head[0] = channel;
  head.writeUInt32BE(bytes.length, 1);
  return [head, bytes];
}

/** Records of raw logs. Notes of ours are not output and left out. */
const rawRecords: StreamForm<LogChunk> = {
  encode: (chunk) => (chunk.stream === "system" ? [] : record(channels[chunk.stream], chunk.bytes)),
  encodeError: (error) => Buffer.concat(record(channels.error, Buffer.from(JSON.stringify(error)))),
};

function placeOf(next: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(next));
  return bytes;
}

const placedRecords: StreamForm<LogChunk> = {
  ...rawRecords,
  encode: (chunk) => [...record(LOG_PLACE_CHANNEL, placeOf(chunk.next)), ...rawRecords.encode(chunk)],
};

async function* samples(machines: Machines, ref: string, signal: AbortSignal): AsyncGenerator<MachineStats> {
  yield await machines.stats(ref);
  while (!signal.aborted) {
    try {
      await sleep(STATS_INTERVAL_MS, undefined, { signal });
      yield await machines.stats(ref);
    } catch (error) {
      if (signal.aborted || hasCode(error, "STATE_CONFLICT", "MACHINE_NOT_FOUND")) return;
      throw error;
    }
  }
}

export const outputRoutes: Routes = (app, _deps, { closing }) => {
  app.get(
    `${API_PREFIX}/machines/:ref/logs`,
    {
      config: permit.looks,
      schema: {
        tags: ["machines"],
        summary: "What a machine wrote",
        params: RefParams,
        querystring: LogQuery,
        response: { 200: media(JSON_LINES_TYPE, LogLineSchema, "one LogLine a line"), ...failures },
      },
    },
    async ({ params, query, machines }, reply) => {
      const streams = (["stdout", "stderr"] as const).filter((stream) => query[stream] ?? true);
      const signal = callSignal(reply, closing);
      const chunks = machines.logs(params.ref, {
        follow: query.follow ?? false,
        sinceMs: parseSince(query.since),
        tailLines: query.tail,
        from: query.from,
        latest: query.latest,
        streams,
        signal,
      });
      const whole = unlessAborted(chunks, signal);
      if (query.raw) return sendStream(reply, whole, query.places ? placedRecords : rawRecords, RAW_TYPE);
      return sendLines(reply, lines(whole));
    },
  );

  app.get(
    `${API_PREFIX}/machines/:ref/stats`,
    {
      config: permit.looks,
      schema: {
        tags: ["machines"],
        summary: "What a machine uses",
        params: RefParams,
        querystring: StatsQuery,
        response: { 200: MachineStatsSchema, ...failures },
      },
    },
    async ({ params, query, machines }, reply) => {
      if (!query.stream) return await machines.stats(params.ref);
      const signal = callSignal(reply, closing);
      return sendLines(reply, unlessAborted(samples(machines, params.ref, signal), signal));
    },
  );
};
