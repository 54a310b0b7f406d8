import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { IsthmusError } from "@isthmus/contract";
import { COMMAND_DEADLINE_MS } from "./config.ts";

/** What the program says on stdout. Throws HOST_COMMAND_FAILED with its words. */
export async function run(program: string, args: readonly string[], input = ""): Promise<string> {
  const child = spawn(program, args, { timeout: COMMAND_DEADLINE_MS, stdio: ["pipe", "pipe", "pipe"] });
  const status = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : `it ended with ${signal ?? `status ${code}`}`));
  });
  child.stdin.on("error", () => undefined).end(input);
  const [out, words, failed] = await Promise.all([text(child.stdout), text(child.stderr), status]);
  if (failed === undefined) return out;
  throw new IsthmusError("HOST_COMMAND_FAILED", { program: [program, ...args].join(" "), reason: words.trim() || failed });
}

/** Lines of `tc` in a namespace, all or up to the first that fails. Throws HOST_COMMAND_FAILED. */
export async function tc(namespace: string, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await run("tc", ["-n", namespace, "-batch", "-"], `${lines.join("\n")}\n`);
}

/** Lines of `ip`, in a namespace or in this one, all or up to the first that fails. */
export async function ip(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await run("ip", [...(namespace === undefined ? [] : ["-n", namespace]), "-batch", "-"], `${lines.join("\n")}\n`);
}
