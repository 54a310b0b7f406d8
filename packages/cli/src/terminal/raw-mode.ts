import { spawnSync } from "node:child_process";
import type { InputStream } from "../context.ts";

function stty(args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync("stty", args, { stdio: ["inherit", "pipe", "ignore"], encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/**
 * Every key comes as it is typed and every byte goes out as it is. Node's own raw mode (libuv's) still turns each line feed that is written into a carriage
 * return and a line feed, which spoils what full-screen programs draw; so stty is asked first. The returned function puts everything back.
 */
export function enterRawMode(stdin: InputStream): () => void {
  const before = stty(["-g"]);
  if (before === undefined || stty(["raw", "-echo", "-iexten"]) === undefined) {
    stdin.setRawMode?.(true);
    return () => stdin.setRawMode?.(false);
  }
  const restore = (): void => {
    process.off("exit", restore);
    stty([before]);
  };
  // Whatever ends this process, the shell behind it needs its terminal as it was.
  process.on("exit", restore);
  return restore;
}
