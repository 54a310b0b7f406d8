import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** ms between two looks whether it answers, and how many of them */
const POLL_MS = 50;
const POLLS = 200;

/** Debian's docker-registry on a free loopback port, without an account. */
export class BenchRegistry implements AsyncDisposable {
  /** 127.0.0.1:PORT */
  readonly host: string;
  readonly #process: ChildProcess;

  private constructor(host: string, process: ChildProcess) {
    this.host = host;
    this.#process = process;
  }

  static async start(folder: string): Promise<BenchRegistry> {
    const host = `127.0.0.1:${await freePort()}`;
    const config = {
      version: "0.1",
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: join(folder, "data") } },
      http: { addr: host },
    };
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "config.yml"), JSON.stringify(config));
    const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: "ignore" });
    for (let polls = 0; polls < POLLS; polls += 1) {
      const answered = await fetch(`http://${host}/v2/`).catch(() => undefined);
      if (answered?.ok === true) break;
      await sleep(POLL_MS);
    }
    return new BenchRegistry(host, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#process, "close");
    this.#process.kill("SIGKILL");
    await closed;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}
