import { IsthmusError, limits } from "@isthmus/contract";
import type { World } from "../context.ts";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The size of the terminal behind stdout (or stderr), undefined when there is none. */
export function terminalSize({ stdout, stderr }: World): TerminalSize | undefined {
  const stream = [stdout, stderr].find(({ isTTY, columns, rows }) => isTTY && columns && rows);
  if (!stream?.columns || !stream.rows) return undefined;
  return { columns: Math.min(stream.columns, limits.terminalColumns), rows: Math.min(stream.rows, limits.terminalColumns) };
}

/** Throws NO_TERMINAL when a terminal was asked for and our input is none. */
export function requireTerminal(world: World, asked: { readonly tty?: boolean; readonly interactive?: boolean }): void {
  if (asked.tty && asked.interactive && !world.stdin.isTTY) throw new IsthmusError("NO_TERMINAL", { reason: "stdin is not a terminal" });
}

/** Every key goes to the workload, Ctrl-C too, and `onSize` hears the size now and at each change. The returned function puts all back. */
export function rawTerminal(world: World, options: { readonly raw: boolean; readonly onSize: (size: TerminalSize) => void }): () => void {
  const { stdin, stdout } = world;
  const raw = options.raw && stdin.isTTY === true;
  const tell = (): void => {
    const size = terminalSize(world);
    if (size) options.onSize(size);
  };
  const restore = raw ? world.rawMode() : undefined;
  stdout.on("resize", tell);
  tell();
  let over = false;
  return () => {
    if (over) return;
    over = true;
    stdout.off("resize", tell);
    restore?.();
  };
}
