import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** Lines, as CONTRIBUTING.md gives them. */
const FILE_LINES_MAX = 400;
const FILE_LINES_P90 = 250;
const FILE_LINES_MEDIAN = 100;
const FUNCTION_LINES_MAX = 60;
const AGENT_LINES_MAX = 1500;

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "" && existsSync(file));
const sources = files.filter((file) => /\.(ts|c|h)$/.test(file) && !file.endsWith(".d.ts"));
const product = sources.filter((file) => file.startsWith("packages/") && !file.endsWith(".test.ts") && file.endsWith(".ts"));
const text = (file: string) => readFileSync(file, "utf8");
const lines = (file: string) => text(file).split("\n").length - 1;

function offenders(list: readonly string[], pattern: RegExp): string[] {
  return list.flatMap((file) =>
    text(file)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
}

/** First line of each function whose body, by indentation, is longer than the budget. */
function longFunctions(file: string): string[] {
  const all = text(file).split("\n");
  const found: string[] = [];
  for (const [index, line] of all.entries()) {
    const opens =
      /^(\s*)(?:export )?(?:default )?(?:async )?(?:static )?(?:function\b|(?:private |override |get |set |async )*[\w#[\].]+\s*\([^;]*\)[^;]*\{$)/.exec(
        line,
      );
    if (!opens || /^\s*(?:if|for|while|switch|catch|describe|it|test|return)\b/.test(line) || !line.trimEnd().endsWith("{")) continue;
    const indent = opens[1] ?? "";
    const end = all.findIndex((other, place) => place > index && other.startsWith(`${indent}}`));
    if (end - index > FUNCTION_LINES_MAX) found.push(`${file}:${index + 1} (${end - index} lines)`);
  }
  return found;
}

describe("rules of the house", () => {
  it("keeps every file under the hard limit", () => {
    expect(sources.filter((file) => lines(file) > FILE_LINES_MAX).map((file) => `${file}: ${lines(file)}`)).toEqual([]);
  });

  it("keeps the median and the 90th percentile of product files within budget", () => {
    const sizes = product.map(lines).sort((a, b) => a - b);
    expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(FILE_LINES_MEDIAN);
    expect(sizes[Math.floor(sizes.length * 0.9)]).toBeLessThanOrEqual(FILE_LINES_P90);
  });

  it("keeps functions short", () => {
    expect(product.flatMap(longFunctions)).toEqual([]);
  });

  it("keeps the guest agent small", () => {
    // All of PID 1 (its tests and the tools of the host aside), and what else it might be made to include.
    const agent = files.filter((file) => /^guest\/agent\/(?!test\/|host\/).*\.(?:[chSs]|inc)$/.test(file));
    const outside = agent.flatMap((file) => offenders([file], /#include "(?!agent\.h")/));
    expect(outside).toEqual([]);
    expect(agent.reduce((sum, file) => sum + lines(file), 0)).toBeLessThan(AGENT_LINES_MAX);
  });

  it("throws errors of the registry only", () => {
    expect(offenders(product, /throw new Error\(|reject\(new Error\(/)).toEqual([]);
  });

  it("never starts a shell", () => {
    expect(
      offenders(product, /shell:\s*true|(?<![.#\w])exec(Sync)?\(\s*[`"']|import .*\bexec(Sync)?\b.* from "node:child_process"/),
    ).toEqual([]);
  });

  it("has no folder or file whose name says nothing", () => {
    expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.ts$)/.test(file))).toEqual([]);
  });

  it("leaves no work open in the code", () => {
    const marks = new RegExp(
      ["TO" + "DO", "FIX" + "ME", "X" + "XX", "not imple" + "mented", "\\.on" + "ly\\(", "\\.sk" + "ip\\("].join("|"),
    );
    expect(
      offenders(
        sources.filter((file) => !file.startsWith("tests/rules/")),
        marks,
      ),
    ).toEqual([]);
  });

  it("names no path of a developer's machine", () => {
    expect(
      offenders(
        files.filter((file) => !file.endsWith("lock.json") && !file.startsWith("tests/rules/")),
        /\/wor[k]\/|[.]librar[y]/,
      ),
    ).toEqual([]);
  });

  it("imports other packages by their name only", () => {
    expect(
      offenders(
        sources.filter((file) => file.startsWith("packages/")),
        /from "(\.\.\/)+(\.\.\/)?packages\/|from "@isthmus\/[a-z-]+\/(?!(schemas|testing)")/,
      ),
    ).toEqual([]);
  });
});
