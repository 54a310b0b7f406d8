import { execFile } from "node:child_process";
import { access, constants, open, readFile, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { AcceleratorVerdict, Kernels } from "@isthmus/core";
import { DATABASE_WAIT_MS, PROGRAM_DEADLINE_MS } from "./config.ts";

const run = promisify(execFile);

/** What the daemon knows and the doctor asks. */
export interface DoctorProbes {
  /** data folder */
  readonly home: string;
  readonly uid: number;
  readonly kernels: Kernels;
  /** of the daemon */
  readonly socketPath: string;
  /** the program of ours that is process 1 of guests; the other one lies beside it */
  readonly agentPath: string;
  /** Boots a guest when there is no verdict yet, or `anew` forgets it; rejects with NO_ACCELERATOR, ENGINE_MISSING and what a boot throws. */
  readonly accelerator: (anew: boolean) => Promise<AcceleratorVerdict>;
  readonly sqliteVersion: () => string;
  /** what machines have no host-side limits for, and why; absent: it is found out by looking at cgroups from outside */
  readonly shortcomings?: readonly string[];
}

export interface PathStatus {
  readonly uid: number;
  /** permission bits */
  readonly mode: number;
}

/** The host as the checks see it; `root` lets tests present another host's /proc, /sys and /dev. */
export class Surroundings {
  readonly #root: string;
  readonly #path: string;

  constructor(root = "/", path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") {
    this.#root = root;
    this.#path = path;
  }

  /** Undefined when it cannot be read. */
  async text(path: string): Promise<string | undefined> {
    return await readFile(join(this.#root, path), "utf8").catch(() => undefined);
  }

  async exists(path: string): Promise<boolean> {
    return await this.#may(join(this.#root, path), constants.F_OK);
  }

  async writable(path: string): Promise<boolean> {
    return await this.#may(join(this.#root, path), constants.R_OK | constants.W_OK);
  }

  /** Owner and permissions; undefined when there is nothing. */
  async status(path: string): Promise<PathStatus | undefined> {
    const found = await stat(join(this.#root, path)).catch(() => undefined);
    return found && { uid: found.uid, mode: found.mode & 0o7777 };
  }

  /** The first `length` bytes, or less; undefined when it cannot be read. */
  async head(path: string, length: number): Promise<Buffer | undefined> {
    try {
      await using file = await open(join(this.#root, path), "r");
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
      return buffer.subarray(0, bytesRead);
    } catch {
      return undefined;
    }
  }

  /** What SQLite finds wrong with a database, which it opens read-only; undefined when it is whole. */
  async databaseFault(path: string): Promise<string | undefined> {
    try {
      const { DatabaseSync } = await import("node:sqlite");
      using database = new DatabaseSync(join(this.#root, path), { readOnly: true, timeout: DATABASE_WAIT_MS });
      const [finding] = database.prepare("PRAGMA quick_check(1)").all();
      const verdict = String(finding?.quick_check ?? "no answer");
      return verdict === "ok" ? undefined : verdict;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Bytes free for this user; undefined when the folder is missing. */
  async freeBytes(path: string): Promise<number | undefined> {
    const found = await statfs(join(this.#root, path)).catch(() => undefined);
    return found && found.bavail * found.bsize;
  }

  /** First line that the program prints; undefined when it is not installed. */
  async programVersion(program: string, args: readonly string[]): Promise<string | undefined> {
    try {
      const { stdout, stderr } = await run(program, args, { timeout: PROGRAM_DEADLINE_MS, env: { PATH: this.#path, LC_ALL: "C" } });
      return firstLine(stdout || stderr);
    } catch (error) {
      const { code, stdout, stderr } = { code: undefined, stdout: "", stderr: "", ...(error instanceof Error ? error : {}) };
      return code === "ENOENT" ? undefined : firstLine(String(stdout || stderr));
    }
  }

  async #may(path: string, mode: number): Promise<boolean> {
    return await access(path, mode).then(
      () => true,
      () => false,
    );
  }
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}
