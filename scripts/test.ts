/** `make test`: agent tests, then unit and system projects; ends with one line `N passed, N failed`. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";

const folder = mkdtempSync(join(tmpdir(), "isthmus-test-"));
let passed = 0;
const failures: string[] = [];

/** Ends with its exit code; its words come as it says them, or `later`, when it has ended. */
function run(program: string, args: readonly string[], later?: (words: Buffer) => void): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["inherit", later ? "pipe" : "inherit", later ? "pipe" : "inherit"] });
    const words: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => words.push(chunk));
    child.on("error", () => resolve(127));
    child.on("close", (code) => {
      later?.(Buffer.concat(words));
      resolve(code ?? 1);
    });
  });
}

async function suite(name: string, action: () => Promise<void>): Promise<void> {
  console.log(`\n== ${name}`);
  await action();
}

/** Tests and fuzzing of a program of the guest, each mostly on one core. */
async function guestProgram(program: string): Promise<void> {
  const args = ["--no-print-directory", "-C", program, "test", "fuzz", "FUZZ_SECONDS=10"];
  const code = await run("make", args, (words) => process.stdout.write(`\n== ${program}\n${words}`));
  if (code === 0) passed += 1;
  else failures.push(`${program}: make test fuzz`);
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
  passed += result.passed;
  if (code !== 0 && result.failed.length === 0) failures.push(`${project}: vitest ended with ${code}`);
  failures.push(...result.failed);
}

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** A file that fails without a test that does, as one that cannot be loaded or whose hook fails, counts as one failure. */
function readReport(path: string): { passed: number; failed: string[] } {
  try {
    const { numPassedTests, testResults }: Report = JSON.parse(readFileSync(path, "utf8"));
    const failed = testResults.flatMap(({ name, status, assertionResults }) => {
      const file = relative(process.cwd(), name);
      const tests = assertionResults.filter((one) => one.status === "failed").map(({ fullName }) => `${file}: ${fullName}`);
      return tests.length === 0 && status === "failed" ? [file] : tests;
    });
    return { passed: numPassedTests, failed };
  } catch (error) {
    return { passed: 0, failed: [`${path}: ${error}`] };
  }
}

try {
  await suite("guest: sanitizers and fuzzing, half a minute", async () => {
    await Promise.all(["guest/agent", "guest/task"].map(guestProgram));
  });
  await suite("unit", () => vitest("unit"));
  await suite("system: real QEMU", () => vitest("system"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`\n${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
