import { describe, expect, it } from "vitest";
import { PROGRAM_OUTPUT_BYTES } from "./config.ts";
import { runProgram } from "./program.ts";

const MINUTE_MS = 60_000;

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A shell whose child, whose pid it prints, would go on for long. */
const family = ["-c", "sleep 600 & echo $!; wait"] as const;

describe("a program that is run", () => {
  it("gives back its status, its output and the lines that matter of its errors", async () => {
    const script = "echo out; echo note >&2; echo 'E: Unable to locate package x' >&2; exit 100";
    const result = await runProgram("sh", ["-c", script], { deadlineMs: MINUTE_MS });
    expect(result).toMatchObject({ code: 100, stdout: "out\n", reason: "E: Unable to locate package x" });
  });

  it("is known to be missing", async () => {
    expect(await runProgram("no-such-program", [], { deadlineMs: MINUTE_MS })).toMatchObject({
      code: undefined,
      reason: "no-such-program is not installed",
    });
  });

  it("cannot fill the memory with its output", async () => {
    const { stdout } = await runProgram("head", ["-c", "20000000", "/dev/zero"], { deadlineMs: MINUTE_MS });
    expect(stdout.length).toBe(PROGRAM_OUTPUT_BYTES);
  });

  it("sees nothing of the environment but what it needs", async () => {
    const { stdout } = await runProgram("env", [], {
      deadlineMs: MINUTE_MS,
      env: { PATH: process.env.PATH, MAKEFLAGS: "-k", ARCH: "arm" },
    });
    expect(stdout).not.toMatch(/MAKEFLAGS|ARCH/);
    expect(stdout).toContain("LC_ALL=C");
  });

  it("ends with all its children when it is cancelled", async () => {
    const controller = new AbortController();
    let child = 0;
    const running = runProgram("sh", family, {
      deadlineMs: MINUTE_MS,
      signal: controller.signal,
      onLine: (line) => {
        child = Number(line);
        controller.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    await expect.poll(() => alive(child)).toBe(false);
  });

  it("ends with a child that ignores SIGTERM and has closed its output", async () => {
    const controller = new AbortController();
    let child = 0;
    // It says which process it is once it takes no notice any more.
    const script = `sh -c 'trap "" TERM; echo $$; exec sleep 600 >/dev/null 2>&1' & wait`;
    const running = runProgram("sh", ["-c", script], {
      deadlineMs: MINUTE_MS,
      signal: controller.signal,
      onLine: (line) => {
        child = Number(line);
        controller.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    await expect.poll(() => alive(child)).toBe(false);
  });

  it("ends with all its children when it is too late", async () => {
    let child = 0;
    const onLine = (line: string): void => {
      child = Number(line);
    };
    const running = runProgram("sh", family, { deadlineMs: 10_000, onLine });
    await expect(running).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(child).toBeGreaterThan(1);
    await expect.poll(() => alive(child)).toBe(false);
  });
});
