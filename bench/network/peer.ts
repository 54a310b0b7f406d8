import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DEADLINE_MS } from "./config.ts";
import type { Figure } from "./figures.ts";

/** What the peer program says of a figure, in the figure's unit. */
interface Told {
  readonly figure: Figure;
  readonly values: readonly number[];
}

/** The process that guests connect to. Gone when disposed of. */
export class Peer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  /** `through`: what begins its command. It listens some time after. */
  constructor(through: readonly string[]) {
    const program = fileURLToPath(new URL("./peer-program.ts", import.meta.url));
    const [first = "", ...words] = [...through, process.execPath, program];
    this.#child = spawn(first, words, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#closed = new Promise((done) => this.#child.once("close", done));
  }

  /** What it measures while `action`, which makes a guest connect to it, goes on. Throws when it measures nothing. */
  async measure(figure: Figure, action: () => Promise<unknown>): Promise<readonly number[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
    const hear = (told: Told) => {
      if (told.figure === figure) resolve(told.values);
    };
    const late = setTimeout(() => reject(new Error(`nothing was measured of ${figure} in ${DEADLINE_MS} ms`)), DEADLINE_MS);
    this.#child.on("message", hear);
    try {
      const [values] = await Promise.all([promise, action()]);
      return values;
    } finally {
      clearTimeout(late);
      this.#child.off("message", hear);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#closed;
  }
}
