import { PassThrough } from "node:stream";
import { Isthmus } from "@isthmus/sdk";
import { runCli } from "../cli.ts";
import type { World } from "../context.ts";

export interface TestWorld extends World {
  readonly stdin: PassThrough & { isTTY?: boolean };
  /** what was written so far */
  out(): string;
  err(): string;
  /** Makes a signal arrive. */
  raise(name: NodeJS.Signals): void;
  /** -1 for each time raw mode was left, 1 for each time it was entered */
  readonly rawModes: number[];
}

export interface TestWorldOptions {
  readonly socketPath?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly terminal?: { readonly columns: number; readonly rows: number };
}

function collected(terminal: TestWorldOptions["terminal"]): { readonly stream: PassThrough & { isTTY?: boolean }; text(): string } {
  const stream = Object.assign(new PassThrough(), terminal ? { isTTY: true, ...terminal } : {});
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}

/** Streams that are kept, an empty environment and a client of the daemon at `socketPath`. */
export function testWorld(options: TestWorldOptions = {}): TestWorld {
  const stdout = collected(options.terminal);
  const stderr = collected(options.terminal);
  const listeners = new Map<string, Set<() => void>>();
  const rawModes: number[] = [];
  return {
    stdin: Object.assign(new PassThrough(), options.terminal ? { isTTY: true } : {}),
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: { ...options.env },
    out: stdout.text,
    err: stderr.text,
    rawModes,
    connect: () => Promise.resolve(new Isthmus({ socketPath: options.socketPath ?? "/nowhere/isthmus.sock" })),
    rawMode() {
      rawModes.push(1);
      return () => rawModes.push(-1);
    },
    onSignal(name, listener) {
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => set.delete(listener);
    },
    raise(name) {
      for (const listener of [...(listeners.get(name) ?? [])]) listener();
    },
  };
}

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line to its end. */
export async function cli(argv: readonly string[], options: TestWorldOptions = {}): Promise<CliResult> {
  const world = testWorld(options);
  const code = await runCli(argv, world);
  return { code, out: world.out(), err: world.err() };
}
