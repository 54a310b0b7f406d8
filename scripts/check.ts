import { spawn } from "node:child_process";
import process from "node:process";

interface Step {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

const bin = (name: string) => `node_modules/.bin/${name}`;

/** Independent checks; they run side by side and every failure is shown. */
const steps: readonly Step[] = [
  { name: "format and lint", argv: [bin("biome"), "check", "--error-on-warnings", "."] },
  { name: "types", argv: [bin("tsc"), "--noEmit", "-p", "tsconfig.json"] },
  { name: "layers", argv: [process.execPath, bin("depcruise"), "--config", ".dependency-cruiser.cjs", "packages"] },
  { name: "dead code", argv: [process.execPath, bin("knip"), "--no-progress"] },
  { name: "rules", argv: [process.execPath, bin("vitest"), "run", "--project", "unit", "tests/rules", "--reporter", "dot"] },
];

function run(step: Step): Promise<{ step: Step; ok: boolean; output: string; ms: number }> {
  const started = performance.now();
  const [program, ...args] = step.argv;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    const finish = (ok: boolean, extra = "") =>
      resolve({ step, ok, output: Buffer.concat(chunks).toString() + extra, ms: performance.now() - started });
    child.on("error", (error) => finish(false, error.message));
    child.on("close", (code) => finish(code === 0));
  });
}

const results = await Promise.all(steps.map(run));
for (const { step, ok, output, ms } of results) {
  console.log(`${ok ? "ok    " : "FAILED"} ${step.name} (${(ms / 1000).toFixed(1)} s)`);
  if (!ok) console.log(output.trimEnd());
}
process.exitCode = results.every((result) => result.ok) ? 0 : 1;
