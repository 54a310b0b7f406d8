import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { slirpGuest } from "./network.ts";

const POLL_MS = 5;

/** One passt, which serves one guest. Gone when disposed of. */
export class Passt implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#child = child;
    this.#closed = new Promise((done) => child.once("close", done));
  }

  /** `through`: what begins its command. Its guest has the addresses that one of slirp has. Throws when passt is not installed. */
  static async start(home: string, through: readonly string[]): Promise<Passt> {
    await promisify(execFile)("passt", ["--version"]).catch((cause: unknown) => {
      throw new Error("passt is missing; to compare with it: apt-get install passt", { cause });
    });
    const folder = await mkdtemp(join(home, "passt-"));
    const [address = "", prefix = ""] = slirpGuest.address.split("/");
    const guest = ["--address", address, "--netmask", prefix, "--gateway", slirpGuest.gateway];
    // It becomes nobody otherwise, who cannot make its socket here.
    const words = ["--foreground", "--quiet", "--ipv4-only", "--runas", "0", ...guest, "--socket", join(folder, "socket")];
    const [program = "", ...argv] = [...through, "passt", ...words];
    const passt = new Passt(folder, spawn(program, argv, { stdio: ["ignore", "ignore", "ignore"], detached: true }));
    while (!existsSync(passt.socket)) {
      if (passt.#child.exitCode !== null) throw new Error(`passt ended with ${passt.#child.exitCode}: passt ${words.join(" ")}`);
      await sleep(POLL_MS);
    }
    return passt;
  }

  get socket(): string {
    return join(this.#folder, "socket");
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
