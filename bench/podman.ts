import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const IMAGE = "bench";
/** podman's own defaults are more than a host may allow */
const LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

/** Podman in folders of its own, with the file system of one of our images. */
export class Podman {
  readonly #root: string;
  readonly #options: readonly string[];

  private constructor(home: string) {
    this.#root = join(home, "root");
    const stores = ["--root", this.#root, "--runroot", join(home, "run"), "--storage-driver", "overlay"];
    // crun refuses hosts with two versions of cgroups; without systemd there is no other manager and no journal for events.
    this.#options = [...stores, "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"];
  }

  /** `rootfs`: the squashfs image. Throws when podman or runc is not installed. */
  static async set(home: string, rootfs: string): Promise<Podman> {
    for (const program of ["podman", "runc"]) {
      await run(program, ["--version"]).catch((cause: unknown) => {
        throw new Error(`${program} is missing; to compare with it: apt-get install podman runc (or leave it out with ONLY=)`, { cause });
      });
    }
    const podman = new Podman(home);
    const tree = join(home, "tree");
    const archive = join(home, "rootfs.tar");
    await mkdir(home, { recursive: true });
    await run("unsquashfs", ["-quiet", "-no-progress", "-dest", tree, rootfs]);
    await run("tar", ["-C", tree, "-cf", archive, "."]);
    await run("podman", [...podman.#options, "import", "--quiet", archive, IMAGE]);
    return podman;
  }

  /** From the start of the command to the first byte of the workload's output, ms. */
  async firstByte(command: readonly string[]): Promise<number> {
    const name = `bench-${process.hrtime.bigint()}`;
    const words = ["run", "--rm", "--network=none", ...LIMITS, "--name", name, IMAGE, ...command];
    const began = performance.now();
    const child = spawn("podman", [...this.#options, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    const closed = new Promise((done) => child.once("close", done));
    try {
      await output(child);
      return performance.now() - began;
    } finally {
      await run("podman", [...this.#options, "kill", "--signal", "KILL", name]).catch(() => child.kill("SIGKILL"));
      await closed;
    }
  }

  /** Lets go of the mount that podman leaves on its store; the folder can then be removed. */
  async leave(): Promise<void> {
    await run("umount", [join(this.#root, "overlay")]).catch(() => undefined);
  }
}

async function output(child: ChildProcess): Promise<void> {
  let words = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    words += bytes.toString("utf8");
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("close", () => reject(new Error(`podman ended without output: ${words}`)));
    child.once("error", reject);
  });
}
