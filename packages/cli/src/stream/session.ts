import type { Readable } from "node:stream";
import type { Session } from "@isthmus/sdk";
import { exitCodes } from "../config.ts";
import type { Context } from "../context.ts";
import { pumpInput } from "./input.ts";
import { rawTerminal } from "./raw-terminal.ts";
import { forwardSignals } from "./signals.ts";
import { type OutputName, type OutputSink, outputSink } from "./sink.ts";

export interface SessionOptions {
  readonly tty: boolean;
  readonly interactive: boolean;
  /** the detach keys leave it; otherwise they are keys like any other */
  readonly detachable: boolean;
}

/** Joins our terminal or pipes to a session until it ends. Gives the exit code, 0 after the detach keys. Throws the session's error, ReaderGone. */
export async function joinSession(context: Context, session: Session, options: SessionOptions): Promise<number> {
  const { world } = context;
  const sink = outputSink(context);
  const outputs = Promise.all([copy(session.stdout, "stdout", sink), copy(session.stderr, "stderr", sink)]);
  const input = options.interactive ? pumpInput(world.stdin, session.stdin, { detachable: options.detachable && options.tty }) : undefined;
  const restore = options.tty
    ? rawTerminal(world, { raw: options.interactive, onSize: ({ columns, rows }) => session.resize(columns, rows) })
    : undefined;
  const unhook = forwardSignals(world, { send: (name) => session.kill(name), kill: () => session.kill("SIGKILL") });
  try {
    const ended = outputs.then(() => session.exit);
    const exit = await (input ? Promise.race([ended, input.detached]) : ended);
    if (!exit) return await leave(context, restore);
    await sink.exit(exit);
    return exit.code;
  } finally {
    unhook();
    restore?.();
    input?.stop();
    session.close();
  }
}

/** After the detach keys: our terminal back first, so that the remark stands on a line of its own. */
async function leave(context: Context, restore: (() => void) | undefined): Promise<number> {
  restore?.();
  context.note("\ndetached; the machine goes on");
  return exitCodes.ok;
}

async function copy(source: Readable, name: OutputName, sink: OutputSink): Promise<void> {
  for await (const piece of source) {
    const bytes: Buffer = piece;
    await sink.write(name, bytes);
  }
}
