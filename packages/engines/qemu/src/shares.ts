import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { StartPlan } from "@isthmus/core";
import { shareSocketPath } from "./command-line.ts";
import { SHARE_DEADLINE_MS, SHARE_PACKAGE, SHARE_PROGRAMS, VMM_ENVIRONMENT } from "./config.ts";

/** Built beside the agent. */
const HELPER = "isthmus-share";

/** What serves the folders of a machine that is being started. */
export interface Serving {
  /** They go on without this process, and end with their VMM. */
  release(): void;
  /** For a start that failed. */
  end(): void;
}

/**
 * A process for each folder of the host, waiting at its socket for the VMM: it sees that folder and nothing else of the host. In a session of its own, as the VMM is;
 * it ends when its VMM does, or when none comes. Throws ENGINE_MISSING, HOST_COMMAND_FAILED, AGENT_BINARY_MISSING.
 */
export async function serveShares({ shares, folder, socketFolder }: StartPlan, agentPath: string | undefined): Promise<Serving> {
  const children: ChildProcess[] = [];
  const end = () => {
    for (const child of children) child.kill("SIGKILL");
  };
  try {
    for (const [index, share] of shares.entries()) {
      const socket = shareSocketPath(socketFolder, index);
      await rm(socket, { force: true });
      children.push(await serve([share.folder, socket, share.readOnly ? "ro" : "rw", program()], { agentPath, folder }));
    }
  } catch (error) {
    end();
    throw error;
  }
  return {
    release() {
      for (const child of children) child.unref();
    },
    end,
  };
}

function program(): string {
  const found = SHARE_PROGRAMS.find((path) => existsSync(path));
  if (found === undefined) throw new IsthmusError("ENGINE_MISSING", { program: "virtiofsd", package: SHARE_PACKAGE });
  return found;
}

async function serve(
  args: readonly string[],
  { agentPath, folder }: { readonly agentPath?: string; readonly folder: string },
): Promise<ChildProcess> {
  const helper = join(dirname(agentPath ?? ""), HELPER);
  if (agentPath === undefined || !existsSync(helper)) throw new IsthmusError("AGENT_BINARY_MISSING", { path: helper });
  const log = await open(join(folder, "shares.log"), "a", 0o600);
  try {
    const child = spawn(helper, args, {
      detached: true,
      cwd: folder,
      env: { ...VMM_ENVIRONMENT, PATH: process.env.PATH },
      stdio: ["ignore", "pipe", log.fd],
    });
    await ready(child);
    return child;
  } finally {
    await log.close();
  }
}

/** Its first word is that it can be connected to. */
async function ready(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (reason: string) => reject(new IsthmusError("HOST_COMMAND_FAILED", { program: HELPER, reason }));
  const timer = setTimeout(() => failed(`not ready within ${SHARE_DEADLINE_MS} ms`), SHARE_DEADLINE_MS);
  child.stdout?.once("data", () => resolve());
  child.once("error", (error) => failed(error.message));
  child.once("exit", (code) => failed(`exit status ${code}; see shares.log in the machine's folder`));
  try {
    await promise;
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
    child.stdout?.destroy();
  }
}
