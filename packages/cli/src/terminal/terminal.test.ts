import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { escapeControls, shownJson } from "./escape.ts";
import { progressText, progressView } from "./progress.ts";
import { styleFor } from "./style.ts";
import { renderPairs, renderTable } from "./table.ts";
import { ago } from "./time.ts";
import { textWidth, truncate } from "./width.ts";
import { write } from "./write.ts";

describe("foreign text", () => {
  it.each([
    ["plain täxt 日本", "plain täxt 日本"],
    ["a\nb\r\tc", "a\\nb\\r\\tc"],
    ["\u001b[2J\u001b]0;title\u0007", "\\x1b[2J\\x1b]0;title\\x07"],
    ["\u009b31m", "\\x9b31m"],
    ["user\u202etxt.exe", "user\\u202etxt.exe"],
    ["\u0000\u007f", "\\x00\\x7f"],
  ])("%j cannot command a terminal", (text, expected) => {
    expect(escapeControls(text)).toBe(expected);
    expect(escapeControls(shownJson([text]))).toBe(shownJson([text]));
    expect(JSON.parse(shownJson([text]))).toEqual([text]);
  });
});

describe("a table", () => {
  it("has columns as wide as their widest cell and no space at the end", () => {
    const text = renderTable(
      ["ID", "NAME", "SIZE"],
      [
        ["1", "web", 5],
        ["22", "a-longer-name", 12345],
      ],
      { right: ["SIZE"] },
    );
    expect(text).toBe("ID   NAME             SIZE\n1    web                 5\n22   a-longer-name   12345\n");
  });

  it("escapes its cells and counts wide characters as two columns", () => {
    expect(
      renderTable(
        ["A", "B"],
        [
          ["日本", "x"],
          ["a\u001b[1m", undefined],
        ],
      ),
    ).toBe("A          B\n日本       x\na\\x1b[1m\n");
  });

  it("is its headings alone without rows, and nothing when bare", () => {
    expect(renderTable(["A", "B"], [])).toBe("A   B\n");
    expect(renderTable(["A"], [], { bare: true })).toBe("");
  });

  it("does not count our own colours", () => {
    const red = styleFor({ isTTY: true }, {}).red("ab");
    expect(textWidth(red)).toBe(2);
    expect(renderTable(["A", "B"], [[{ styled: red }, "x"]])).toBe(`A    B\n${red}   x\n`);
  });

  it("draws pairs under one another", () => {
    expect(
      renderPairs([
        ["a", 1],
        ["long", "x"],
      ]),
    ).toBe("a:      1\nlong:   x\n");
  });
});

describe("width", () => {
  it("cuts with an ellipsis", () => {
    expect(truncate("abcdef", 4)).toBe("abc…");
    expect(truncate("abcd", 4)).toBe("abcd");
    expect(truncate("日本語", 5)).toBe("日本…");
    expect(textWidth("e\u0301")).toBe(1);
  });
});

describe("colours", () => {
  it.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: false }, {}, false],
    [{}, {}, false],
    [{ isTTY: true }, { NO_COLOR: "1" }, false],
    [{ isTTY: true }, { NO_COLOR: "" }, true],
    [{ isTTY: true }, { TERM: "dumb" }, false],
  ])("%j %j: %s", (stream, env, on) => {
    expect(styleFor(stream, env).bold("x") !== "x").toBe(on);
  });
});

describe("progress", () => {
  it.each([
    [{ step: "unpack" }, "unpack"],
    [{ step: "unpack", doneBytes: 1024 }, "unpack: 1.0 KiB"],
    [{ step: "unpack", doneBytes: 1024, totalBytes: 4096 }, "unpack: 1.0 KiB of 4.0 KiB (25 %)"],
    [{ step: "build", percent: 12.7, message: "CC\u001b" }, "build: (12 %) CC\\x1b"],
  ])("%j", (progress, text) => {
    expect(progressText(progress)).toBe(text);
  });

  it("prints each step once where there is no terminal, and nothing when quiet", () => {
    const stream = new PassThrough();
    const view = progressView(stream, false);
    for (const step of ["a", "a", "b"]) view.update({ step, percent: 1 });
    view.stop();
    progressView(stream, true).update({ step: "c" });
    expect(stream.read().toString()).toBe("a\nb\n");
  });

  it("leaves no line behind on a terminal", async () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 40 });
    const view = progressView(stream, false);
    view.update({ step: "x".repeat(100) });
    await new Promise((resolve) => setTimeout(resolve, 350));
    view.stop();
    const text: string = stream.read().toString();
    expect(text.endsWith("\r\u001b[2K")).toBe(true);
    for (const line of text.split("\r\u001b[2K")) expect(textWidth(line)).toBeLessThan(40);
  });
});

describe("time", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  it.each([
    ["2026-01-31T11:59:59.900Z", "a moment ago"],
    ["2026-01-31T11:59:55Z", "5 s ago"],
    ["2026-01-31T11:55:00Z", "5 minutes ago"],
    ["2026-01-30T11:00:00Z", "1 day ago"],
    ["2026-01-31T12:00:05Z", "a moment ago"],
    ["whenever", "whenever"],
  ])("%s", (iso, text) => {
    expect(ago(iso, "ago", now)).toBe(text);
  });
});

describe("a stream whose reader went away", () => {
  it("is told as such", async () => {
    const stream = new PassThrough();
    stream.destroy();
    await expect(write(stream, "x")).rejects.toMatchObject({ name: "ReaderGone" });
  });
});
