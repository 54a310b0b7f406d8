import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import process from "node:process";
import { stripVTControlCharacters } from "node:util";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** What a run of vitest came to. */
export interface Tally {
  readonly passed: number;
  readonly failed: readonly Failure[];
}

export interface Failure {
  /** `file: test`, or what else failed */
  readonly name: string;
  /** Lines that say what was found instead of what, the first few of them. */
  readonly why: readonly string[];
}

const LINES = 12;

/** Writes a {@link Tally} to the file that TALLY_FILE names, else to stdout. A file or a group whose hook or import fails counts as one failure. */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const failed = [
      ...modules.flatMap(failuresIn),
      ...unhandled.map((error) => ({ name: "an error that no test caught", why: why([error]) })),
    ];
    const tally: Tally = { passed: tests.filter((test) => test.result().state === "passed").length, failed };
    writeFileSync(process.env.TALLY_FILE ?? "/dev/stdout", JSON.stringify(tally));
  }
}

function failuresIn(module: TestModule): Failure[] {
  const file = relative(process.cwd(), module.moduleId);
  const groups = [...module.children.allSuites()].map((group) => ({ name: `${file}: ${group.fullName}`, errors: group.errors() }));
  const tests = [...module.children.allTests("failed")].map((test) => ({
    name: `${file}: ${test.fullName}`,
    errors: test.result().errors ?? [],
  }));
  const around = [{ name: file, errors: module.errors() }, ...groups].filter(({ errors }) => errors.length > 0);
  return [...around, ...tests].map(({ name, errors }) => ({ name, why: why(errors) }));
}

function why(errors: readonly SerializedError[]): string[] {
  const lines = errors.flatMap(({ message, diff }) => {
    const differing = stripVTControlCharacters(typeof diff === "string" ? diff : "")
      .split("\n")
      .filter((line) => /^[-+] /.test(line));
    return [...stripVTControlCharacters(message).split("\n"), ...differing];
  });
  return lines.slice(0, LINES);
}
