/** `make test`: agent tests, then unit and system projects; ends with one line `N passed, N failed`. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Failure, Tally } from "../tests/tally.ts";

const folder = mkdtempSync(join(tmpdir(), "isthmus-test-"));
let passed = 0;
const failures: Failure[] = [];

interface Words {
  readonly env?: NodeJS.ProcessEnv;
  /** Gets what it says when it has ended; without this, its words come as it says them. */
  readonly later?: (words: Buffer) => void;
}

/** Ends with its exit code. */
function run(program: string, args: readonly string[], { env, later }: Words): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ["inherit", later ? "pipe" : "inherit", later ? "pipe" : "inherit"] });
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
  const code = await run("make", args, { later: (words) => process.stdout.write(`\n== ${program}\n${words}`) });
  if (code === 0) passed += 1;
  else failures.push({ name: `${program}: make test fuzz`, why: [] });
}

/** Two for two cores, and one more where tests wait more than they compute. */
const WORKERS = { unit: 3, system: 2 } as const;

async function vitest(project: keyof typeof WORKERS): Promise<void> {
  const file = join(folder, `${project}.json`);
  const reporters = ["--reporter=default", "--reporter=./tests/tally.ts"];
  const args = ["node_modules/.bin/vitest", "run", "--project", project, `--maxWorkers=${WORKERS[project]}`, ...reporters];
  const code = await run(process.execPath, args, { env: { ...process.env, TALLY_FILE: file } });
  const tally = read(file);
  passed += tally.passed;
  failures.push(...tally.failed);
  if (code !== 0 && tally.failed.length === 0) failures.push({ name: `${project}: vitest ended with ${code}`, why: [] });
}

function read(path: string): Tally {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return { passed: 0, failed: [{ name: path, why: [String(error)] }] };
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
for (const { name, why } of failures) console.log([`failed: ${name}`, ...why.map((line) => `  ${line}`)].join("\n"));
console.log(`\n${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
