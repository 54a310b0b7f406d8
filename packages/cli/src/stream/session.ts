import type { Readable } from "node:stream";
import type { Session } from "@isthmus/sdk";
import type { Context } from "../context.ts";
import { pumpInput } from "./input.ts";
import { rawTerminal } from "./raw-terminal.ts";
import { forwardSignals } from "./signals.ts";
import { type OutputName, type OutputSink, outputSink } from "./sink.ts";

export interface SessionOptions {
  readonly tty: boolean;
  readonly interactive: boolean;
}

/** Joins our terminal or pipes to a session until it ends; gives the exit code. Throws the session's error, ReaderGone. */
export async function joinSession(context: Context, session: Session, { tty, interactive }: SessionOptions): Promise<number> {
  const { world } = context;
  const sink = outputSink(context);
  const input = interactive ? pumpInput(world.stdin, session.stdin, { detachable: false }) : undefined;
  const restore = tty ? rawTerminal(world, { raw: interactive, onSize: ({ columns, rows }) => session.resize(columns, rows) }) : undefined;
  const unhook = forwardSignals(world, { send: (name) => session.kill(name), kill: () => session.kill("SIGKILL") });
  try {
    await Promise.all([copy(session.stdout, "stdout", sink), copy(session.stderr, "stderr", sink)]);
    const exit = await session.exit;
    await sink.exit(exit);
    return exit.code;
  } finally {
    unhook();
    restore?.();
    input?.stop();
    session.close();
  }
}

async function copy(source: Readable, name: OutputName, sink: OutputSink): Promise<void> {
  for await (const piece of source) {
    const bytes: Buffer = piece;
    await sink.write(name, bytes);
  }
}
