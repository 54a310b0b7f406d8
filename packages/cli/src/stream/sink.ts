import { isUtf8 } from "node:buffer";
import type { Context } from "../context.ts";
import { write } from "../terminal/write.ts";

export type OutputName = "stdout" | "stderr";

/** Where a workload's output goes. `write` resolves when it was taken, and rejects with ReaderGone when nobody reads. */
export interface OutputSink {
  write(stream: OutputName, bytes: Buffer): Promise<void>;
  /** Called once at the end, after all output. */
  exit(exit: { readonly code: number; readonly signal?: number }): Promise<void>;
}

/** Bytes to our own stdout and stderr as they are; with --json a line for each piece and one for the exit. */
export function outputSink(context: Context): OutputSink {
  const { stdout, stderr } = context.world;
  if (!context.json) {
    return {
      write: (stream, bytes) => write(stream === "stdout" ? stdout : stderr, bytes),
      exit: () => Promise.resolve(),
    };
  }
  return {
    write: (stream, bytes) => context.printJsonLine({ type: "output", stream, ...textOrBase64(bytes) }),
    exit: (exit) => context.printJsonLine({ type: "exit", ...exit }),
  };
}

export function textOrBase64(bytes: Buffer): { readonly text: string } | { readonly base64: string } {
  return isUtf8(bytes) ? { text: bytes.toString("utf8") } : { base64: bytes.toString("base64") };
}
