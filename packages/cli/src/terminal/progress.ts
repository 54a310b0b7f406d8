import type { Writable } from "node:stream";
import type { Progress } from "@isthmus/contract";
import { formatBytes, formatDuration } from "@isthmus/contract";
import { SPINNER_MS } from "../config.ts";
import { escapeControls } from "./escape.ts";
import { columnsOf } from "./size.ts";
import { truncate } from "./width.ts";

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const CLEAR_LINE = "\r\u001b[2K";

export interface ProgressView {
  update(progress: Progress): void;
  /** Takes the line away; what was printed stays. */
  stop(): void;
}

/** `unpack: 12.0 MiB of 40.0 MiB (30 %) layer 2` */
export function progressText({ step, message, doneBytes, totalBytes, percent }: Progress): string {
  const part = percent ?? (doneBytes !== undefined && totalBytes ? (100 * doneBytes) / totalBytes : undefined);
  const bytes =
    doneBytes === undefined ? "" : totalBytes ? `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}` : formatBytes(doneBytes);
  const figures = [bytes, part === undefined ? "" : `(${Math.min(100, Math.floor(part))} %)`].filter((text) => text !== "").join(" ");
  const rest = [figures, message ? escapeControls(message) : ""].filter((text) => text !== "").join(" ");
  return rest === "" ? escapeControls(step) : `${escapeControls(step)}: ${rest}`;
}

/** One line that moves on a terminal; elsewhere one line for each new step. */
export function progressView(stream: Writable & { isTTY?: boolean; columns?: number }, quiet: boolean): ProgressView {
  if (quiet) return { update: () => {}, stop: () => {} };
  return stream.isTTY ? movingLine(stream) : plainLines(stream);
}

function plainLines(stream: Writable): ProgressView {
  let last = "";
  return {
    update(progress) {
      if (progress.step === last) return;
      last = progress.step;
      stream.write(`${progressText({ step: progress.step, message: progress.message })}\n`);
    },
    stop() {},
  };
}

function movingLine(stream: Writable & { columns?: number }): ProgressView {
  const began = performance.now();
  let frame = 0;
  let text = "";
  const draw = (): void => {
    if (text === "") return;
    const spent = formatDuration(performance.now() - began);
    stream.write(CLEAR_LINE + truncate(`${frames[frame % frames.length]} ${text}  ${spent}`, columnsOf(stream) - 1));
    frame += 1;
  };
  const timer = setInterval(draw, SPINNER_MS);
  timer.unref();
  return {
    update(progress) {
      text = progressText(progress);
    },
    stop() {
      clearInterval(timer);
      if (frame > 0) stream.write(CLEAR_LINE);
      text = "";
    },
  };
}
