import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SPINNER_MS } from "../config.ts";
import { layersView } from "./layers.ts";

function screen(rows: number, columns = 60) {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns, rows });
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  /** what was drawn since it was last looked at */
  const drawn = (): string => {
    const now = text;
    text = "";
    return now;
  };
  return { stream, drawn };
}

describe("progress of layers on a terminal", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is a line for each, drawn over the last picture, and gone at the end", () => {
    const { stream, drawn } = screen(24);
    const view = layersView(stream, false);
    view.update({ step: "wait", item: "aaa", doneBytes: 0, totalBytes: 2048, percent: 0 });
    view.update({ step: "present", item: "bbb", percent: 100 });
    vi.advanceTimersByTime(SPINNER_MS);
    expect(drawn()).toBe("\u001b[Jaaa: wait: 0 B of 2.0 KiB (0 %)\nbbb: here already\n");
    view.update({ step: "download", item: "aaa", doneBytes: 1024, totalBytes: 2048, percent: 50 });
    view.update({ step: "unpack", doneBytes: 1024 });
    vi.advanceTimersByTime(SPINNER_MS);
    expect(drawn()).toBe("\r\u001b[2A\u001b[Jaaa: download: 1.0 KiB of 2.0 KiB (50 %)\nbbb: here already\nunpack: 1.0 KiB\n");
    view.stop();
    expect(drawn()).toBe("\r\u001b[3A\u001b[J");
    view.stop();
    vi.advanceTimersByTime(10 * SPINNER_MS);
    expect(drawn()).toBe("");
  });

  it("leaves out what is done where there is no room, and writes out what could command the terminal", () => {
    const { stream, drawn } = screen(5);
    const view = layersView(stream, false);
    for (const item of ["a", "b", "c"]) view.update({ step: "download", item, percent: 100 });
    view.update({ step: "retry", item: "d\u001b[2J", message: "evil\u001b[2J" });
    vi.advanceTimersByTime(SPINNER_MS);
    expect(drawn()).toBe("\u001b[Jd\\x1b[2J: retry: evil\\x1b[2J\n");
    view.stop();
  });

  it("takes a terminal that has no size for one of 80 columns", () => {
    const { stream, drawn } = screen(0, 0);
    const view = layersView(stream, false);
    for (const item of ["a", "b", "c"]) view.update({ step: "wait", item });
    vi.advanceTimersByTime(SPINNER_MS);
    expect(drawn()).toBe("\u001b[Ja: wait\nb: wait\nc: wait\n");
    view.stop();
  });
});
