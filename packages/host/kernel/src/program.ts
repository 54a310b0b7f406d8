import { type ChildProcess, spawn } from "node:child_process";
import { IsthmusError } from "@isthmus/contract";
import { PROGRAM_KILL_AFTER_MS, PROGRAM_LINE_CHARS, PROGRAM_OUTPUT_BYTES } from "./config.ts";

export interface ProgramOptions {
  readonly cwd?: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  /** called with each line of stdout and stderr as it comes */
  readonly onLine?: (line: string) => void;
  /** environment to choose from; default the process's own */
  readonly env?: NodeJS.ProcessEnv;
  /** The kernel ends the program when this process ends, even by SIGKILL; for work that takes long. Needs setpriv, of every Debian. */
  readonly tied?: boolean;
}

export interface ProgramResult {
  /** undefined when it died of a signal or is not installed */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** what to tell the user: the last lines on stderr, or why there are none */
  readonly reason: string;
}

const passed = ["PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "APT_CONFIG"];

function environment(from: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  for (const name of passed) if (from[name] !== undefined) env[name] = from[name];
  return env;
}

/** Keeps the newest bytes of a stream, and gives its lines on. */
class Tail {
  #text = "";
  #line = "";
  readonly #onLine: ((line: string) => void) | undefined;

  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: string): void {
    this.#text = (this.#text + chunk).slice(-PROGRAM_OUTPUT_BYTES);
    if (this.#onLine === undefined) return;
    const lines = (this.#line + chunk).split("\n");
    this.#line = (lines.pop() ?? "").slice(-PROGRAM_LINE_CHARS);
    for (const line of lines) this.#onLine(line.slice(0, PROGRAM_LINE_CHARS));
  }

  get text(): string {
    return this.#text;
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // the group is gone already
  }
}

function lastLines(text: string): string {
  const lines = text
    .trim()
    .split("\n")
    .filter((line) => line !== "");
  const errors = lines.filter((line) => /^E: |error/i.test(line));
  return (errors.length > 0 ? errors : lines).slice(-4).join("; ");
}

function invocation(program: string, args: readonly string[], tied = false): [string, readonly string[]] {
  return tied ? ["setpriv", ["--pdeathsig", "TERM", program, ...args]] : [program, args];
}

/**
 * Runs a program in its own process group until it ends, with its output bounded. A status other than 0 is a result, not an error.
 * Throws CANCELLED and TIMEOUT, after the whole group has been ended.
 */
export async function runProgram(program: string, args: readonly string[], options: ProgramOptions): Promise<ProgramResult> {
  if (options.signal?.aborted) throw new IsthmusError("CANCELLED", { what: program });
  const stdout = new Tail(options.onLine);
  const stderr = new Tail(options.onLine);
  const child = spawn(...invocation(program, args, options.tied), {
    cwd: options.cwd,
    env: environment(options.env ?? process.env),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => stdout.push(chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => stderr.push(chunk));
  let ended: IsthmusError | undefined;
  let killTimer: NodeJS.Timeout | undefined;
  const end = (why: IsthmusError): void => {
    if (ended !== undefined) return;
    ended = why;
    killGroup(child, "SIGTERM");
    killTimer = setTimeout(() => killGroup(child, "SIGKILL"), PROGRAM_KILL_AFTER_MS);
  };
  const onAbort = (): void => end(new IsthmusError("CANCELLED", { what: program }));
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const deadline = setTimeout(() => end(new IsthmusError("TIMEOUT", { what: program, limit: options.deadlineMs })), options.deadlineMs);
  try {
    const result = await new Promise<{ code: number | undefined; why: string }>((resolve) => {
      child.on("error", (error: NodeJS.ErrnoException) =>
        resolve({ code: undefined, why: error.code === "ENOENT" ? `${program} is not installed` : error.message }),
      );
      child.on("close", (code, signal) =>
        resolve({ code: code ?? undefined, why: `${program}: ${signal === null ? `status ${code}` : `ended by ${signal}`}` }),
      );
    });
    if (ended !== undefined) {
      // One that took no notice of SIGTERM and holds none of our pipes.
      killGroup(child, "SIGKILL");
      throw ended;
    }
    return { code: result.code, stdout: stdout.text, stderr: stderr.text, reason: lastLines(stderr.text) || result.why };
  } finally {
    clearTimeout(deadline);
    clearTimeout(killTimer);
    options.signal?.removeEventListener("abort", onAbort);
  }
}
