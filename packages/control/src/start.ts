import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { ControlClient, type Dialect, type Numbered } from "./client.ts";
import { NODE_OPTIONS, PASSED_VARIABLES } from "./config.ts";
import { evict } from "./evict.ts";

/** A program of ours that is to outlive its daemon. */
export interface Program {
  readonly path: string;
  /** what it is run by: `ip netns exec NAME` */
  readonly through?: readonly string[];
  /** path of its control socket, in a folder that only the daemon's user may enter */
  readonly socket: string;
  /** file that its notes are added to */
  readonly log: string;
  /** words after `--socket PATH` */
  readonly words?: readonly string[];
}

/** Starts a process and connects to it. It outlives this one. Throws HOST_COMMAND_FAILED when it does not come up, TIMEOUT. */
export async function startControl<Reply extends Numbered>(program: Program, dialect: Dialect<Reply>): Promise<ControlClient<Reply>> {
  const log = await open(program.log, "a", 0o600);
  try {
    const { through = [], words = [] } = program;
    const [first = "", ...rest] = [...through, process.execPath, ...NODE_OPTIONS, program.path, "--socket", program.socket, ...words];
    const env = Object.fromEntries(PASSED_VARIABLES.map((name) => [name, process.env[name]]));
    const child = spawn(first, rest, { detached: true, stdio: ["ignore", log.fd, log.fd], env, cwd: "/" });
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => resolve(`it ended with ${signal ?? `status ${code}`}`));
    });
    child.unref();
    const gone = new AbortController();
    const failed = ended.then((reason) => {
      gone.abort();
      throw new IsthmusError("HOST_COMMAND_FAILED", { program: dialect.name, reason: `${reason}; see ${program.log}` });
    });
    failed.catch(() => undefined);
    return await Promise.race([ControlClient.attach(program.socket, dialect, gone.signal), failed]);
  } finally {
    await log.close();
  }
}

/** The process that runs there, else a new one. One of another version is ended first. Throws as `startControl`. */
export async function openControl<Reply extends Numbered>(program: Program, dialect: Dialect<Reply>): Promise<ControlClient<Reply>> {
  try {
    const found = await ControlClient.find(program.socket, dialect);
    if (found) return found;
  } catch (error) {
    if (!hasCode(error, "PROTOCOL")) throw error;
    await evict(program.socket);
  }
  return await startControl(program, dialect);
}
