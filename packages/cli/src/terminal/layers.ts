import type { Writable } from "node:stream";
import type { Progress } from "@isthmus/contract";
import { SPINNER_MS } from "../config.ts";
import { escapeControls } from "./escape.ts";
import { type ProgressView, progressText, progressView } from "./progress.ts";
import { columnsOf, rowsOf } from "./size.ts";
import { truncate } from "./width.ts";

const CLEAR_BELOW = "\u001b[J";
/** lines of the terminal that are left alone */
const SPARE_ROWS = 2;

type Screen = Writable & { isTTY?: boolean; columns?: number; rows?: number };

/** Progress of several things side by side, such as an image's layers: a line for each on a terminal; elsewhere a line when one begins and when it is done. */
export function layersView(stream: Screen, quiet: boolean): ProgressView {
  if (quiet) return { update: () => {}, stop: () => {} };
  return stream.isTTY ? movingLines(stream) : plainLines(stream);
}

const isDone = ({ step, percent }: Progress): boolean =>
  ["present", "mounted", "pushed"].includes(step) || (step === "download" && percent === 100);

function plainLines(stream: Screen): ProgressView {
  const whole = progressView(stream, false);
  const told = new Map<string, string>();
  return {
    update(progress) {
      const { item, step } = progress;
      if (item === undefined) return whole.update(progress);
      const now = `${step} ${isDone(progress)}`;
      if (told.get(item) === now || step === "wait") return;
      told.set(item, now);
      stream.write(`${escapeControls(item)}: ${isDone(progress) ? doneText(progress) : progressText({ ...progress, item: undefined })}\n`);
    },
    stop() {
      whole.stop();
    },
  };
}

function doneText({ step, message }: Progress): string {
  if (step === "mounted") return progressText({ step, message });
  return step === "present" ? "here already" : "done";
}

function lineOf(item: string, progress: Progress): string {
  return `${escapeControls(item)}: ${isDone(progress) ? doneText(progress) : progressText(progress)}`;
}

function movingLines(stream: Screen): ProgressView {
  const items = new Map<string, Progress>();
  let whole: Progress | undefined;
  let drawn = 0;
  const draw = (): void => {
    const room = Math.max(1, rowsOf(stream) - SPARE_ROWS);
    const all = [...items];
    // What is on its way is told of first when there is no room for all.
    const shown = all.length < room ? all : all.filter(([, progress]) => !isDone(progress)).slice(0, room - 1);
    const lines = shown.map(([item, progress]) => lineOf(item, progress));
    if (whole !== undefined) lines.push(progressText(whole));
    const up = drawn === 0 ? "" : `\r\u001b[${drawn}A`;
    const width = columnsOf(stream) - 1;
    stream.write(up + CLEAR_BELOW + lines.map((line) => `${truncate(line, width)}\n`).join(""));
    drawn = lines.length;
  };
  const timer = setInterval(draw, SPINNER_MS);
  timer.unref();
  return {
    update(progress) {
      if (progress.item === undefined) whole = progress;
      else items.set(progress.item, progress);
    },
    stop() {
      clearInterval(timer);
      if (drawn > 0) stream.write(`\r\u001b[${drawn}A${CLEAR_BELOW}`);
      drawn = 0;
    },
  };
}
