/** `make test`: agent tests, then unit and system projects; ends with one line `N passed, N failed`. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const folder = mkdtempSync(join(tmpdir(), "isthmus-test-"));
const totals = { passed: 0, failed: 0 };

function run(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "inherit" });
    child.on("error", () => resolve(127));
    child.on("close", (code) => resolve(code ?? 1));
  });
}

async function suite(name: string, action: () => Promise<void>): Promise<void> {
  console.log(`\n== ${name}`);
  await action();
}

/** Two for two cores, and one more where tests wait more than they compute. */
const WORKERS = { unit: 3, system: 2 } as const;

async function vitest(project: keyof typeof WORKERS): Promise<void> {
  const report = join(folder, `${project}.json`);
  const args = [
    "node_modules/.bin/vitest",
    "run",
    "--project",
    project,
    `--maxWorkers=${WORKERS[project]}`,
    "--reporter",
    "default",
    "--reporter",
    "json",
    "--outputFile",
    report,
  ];
  const code = await run(process.execPath, args);
  const result = readReport(report);
  totals.passed += result.passed;
  totals.failed += Math.max(result.failed, code === 0 ? 0 : 1);
}

function readReport(path: string): { passed: number; failed: number } {
  try {
    const report: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof report !== "object" || report === null) return { passed: 0, failed: 1 };
    const number = (value: unknown) => (typeof value === "number" ? value : 0);
    const { numPassedTests, numFailedTests, numFailedTestSuites } = {
      numPassedTests: 0,
      numFailedTests: 0,
      numFailedTestSuites: 0,
      ...report,
    };
    return { passed: number(numPassedTests), failed: Math.max(number(numFailedTests), number(numFailedTestSuites)) };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

try {
  for (const program of ["guest/agent", "guest/task"]) {
    await suite(`${program}: sanitizers and fuzzing`, async () => {
      const code = await run("make", ["--no-print-directory", "-C", program, "test", "fuzz", "FUZZ_SECONDS=10"]);
      totals[code === 0 ? "passed" : "failed"] += 1;
    });
  }
  await suite("unit", () => vitest("unit"));
  await suite("system: real QEMU", () => vitest("system"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed === 0 ? 0 : 1;
