import type { LogLine } from "@isthmus/contract";
import { escapeControls } from "../terminal/escape.ts";
import type { OutputName, OutputSink } from "./sink.ts";

const NEWLINE = 0x0a;

/** Writes output with the time before each line; a line that comes in pieces gets the time of its first. */
export class TimedLines {
  readonly #sink: OutputSink;
  readonly #atStart = { stdout: true, stderr: true };

  constructor(sink: OutputSink) {
    this.#sink = sink;
  }

  async add(line: LogLine): Promise<void> {
    if (line.stream === "system") {
      await this.#sink.write("stderr", Buffer.from(`${line.time} isthmus: ${escapeControls(line.text ?? "")}\n`));
      return;
    }
    const bytes = line.text === undefined ? Buffer.from(line.base64 ?? "", "base64") : Buffer.from(line.text);
    if (bytes.length > 0) await this.#sink.write(line.stream, this.#stamp(line.stream, bytes, Buffer.from(`${line.time} `)));
  }

  #stamp(stream: OutputName, bytes: Buffer, stamp: Buffer): Buffer {
    const pieces: Buffer[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#atStart[stream]) pieces.push(stamp);
      const found = bytes.indexOf(NEWLINE, at);
      const end = found === -1 ? bytes.length : found + 1;
      pieces.push(bytes.subarray(at, end));
      this.#atStart[stream] = found !== -1;
      at = end;
    }
    return Buffer.concat(pieces);
  }
}
