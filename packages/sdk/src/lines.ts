import type { IncomingMessage } from "node:http";
import { IsthmusError } from "@isthmus/contract";
import { LINE_BYTES } from "./config.ts";
import { cancelled, unreachable } from "./failures.ts";
import { type Call, parseError, type Transport } from "./transport.ts";

/**
 * The JSON lines of an answer, one value each. A line `{"error": {…}}` is the server's last word and is thrown.
 * Leaving the loop, or aborting the call's signal, ends the request.
 */
export async function* jsonLines<T>(transport: Transport, call: Call): AsyncGenerator<T, void, undefined> {
  const answer = await transport.send(call);
  try {
    for await (const line of textLines(answer)) yield parseLine<T>(line);
  } catch (cause) {
    throw call.signal?.aborted ? cancelled(call, cause) : unreachable(transport.address, cause);
  } finally {
    answer.destroy();
  }
}

function parseLine<T>(line: string): T {
  if (line.startsWith('{"error":')) throw parseError(line, 200);
  try {
    return JSON.parse(line) as T;
  } catch (cause) {
    throw new IsthmusError("PROTOCOL", { reason: "a line of the stream is not JSON" }, { cause });
  }
}

async function* textLines(answer: IncomingMessage): AsyncGenerator<string, void, undefined> {
  let pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of answer) {
    const chunk: Buffer = piece;
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end));
      const line = Buffer.concat(pieces).toString("utf8");
      pieces = [];
      size = 0;
      start = end + 1;
      if (line !== "") yield line;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > LINE_BYTES) throw new IsthmusError("TOO_LARGE", { field: "line", value: size, limit: LINE_BYTES });
  }
}
