import { type ErrorBody, type ErrorCode, IsthmusError } from "@isthmus/contract";
import { CommanderError } from "commander";
import { exitCodes } from "./config.ts";
import type { Context } from "./context.ts";
import { escapeControls, shownJson } from "./terminal/escape.ts";
import { styleFor } from "./terminal/style.ts";
import { isBrokenPipe } from "./terminal/write.ts";

/** Commands whose exit code may be a workload's: our own errors must be told apart from it. */
const passOn = new Set(["run", "exec", "attach", "start"]);
/** Status 400, yet not about how the command was written. */
const notUsage: readonly ErrorCode[] = ["LOCAL_FILE", "CONFIG_INVALID"];

/** USAGE of what the argument parser found wrong; its help for typos goes along. */
function fromParser(error: CommanderError, commandName: string): IsthmusError {
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const reason = [first, ...rest.map((line) => line.trim()).filter((line) => line !== "")].join(" ");
  return new IsthmusError("USAGE", { reason, command: commandName }, { cause: error });
}

export function toIsthmusError(error: unknown, commandName: string): IsthmusError {
  return error instanceof CommanderError ? fromParser(error, commandName) : IsthmusError.from(error);
}

/** The exit code for an error of ours in this command. */
export function exitCodeOf(error: IsthmusError, commandName: string): number {
  if (passOn.has(commandName)) return exitCodes.ownError;
  return error.status === 400 && !notUsage.includes(error.code) ? exitCodes.usage : exitCodes.error;
}

function remedyOf(body: ErrorBody): string {
  return body.remedy.replace(/ {2,}/g, " ");
}

/** Writes the error for people or programs and gives the exit code. A reader that went away is no error to show. */
export function reportFailure(context: Context, cause: unknown): number {
  if (isBrokenPipe(cause)) return exitCodes.brokenPipe;
  const { stderr, env } = context.world;
  const error = toIsthmusError(cause, context.commandName);
  const body = { ...error.toBody(), remedy: remedyOf(error.toBody()) };
  if (context.json) {
    stderr.write(`${shownJson({ error: body })}\n`);
  } else {
    const style = styleFor(stderr, env);
    stderr.write(`${style.red("isthmus:")} ${escapeControls(body.message)}\n`);
    if (body.remedy !== "") stderr.write(`  ${style.dim("→")} ${escapeControls(body.remedy)}\n`);
    if (env.ISTHMUS_DEBUG && cause instanceof Error) stderr.write(`${escapeControls(cause.stack ?? "").replaceAll("\\n", "\n")}\n`);
  }
  return exitCodeOf(error, context.commandName);
}

/** USAGE: what was asked cannot be, told in `reason`. */
export function usage(context: Context, reason: string): IsthmusError {
  return new IsthmusError("USAGE", { reason, command: context.commandName });
}
