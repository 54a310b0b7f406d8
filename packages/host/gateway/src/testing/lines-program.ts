import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { IsthmusError } from "@isthmus/contract";

/** A program of a test in a namespace, which answers each line of JSON on its standard input with one on its standard output. */
export class LinesProgram {
  readonly #child: ChildProcess;
  readonly #waiting: ((line: string) => void)[] = [];
  #asked: Promise<unknown> = Promise.resolve();

  /** `program` is a file of TypeScript. */
  constructor(namespace: string, program: URL, args: readonly string[] = []) {
    this.#child = spawn("ip", ["netns", "exec", namespace, process.execPath, program.pathname, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (this.#child.stdout) createInterface({ input: this.#child.stdout }).on("line", (line) => this.#waiting.shift()?.(line));
  }

  /** One question at a time. */
  ask<T>(question: object): Promise<T> {
    const answer = this.#asked.then(
      () =>
        new Promise<T>((resolve, reject) => {
          if (this.#child.exitCode !== null) return reject(new IsthmusError("PROTOCOL", { reason: "the program has ended" }));
          this.#waiting.push((line) => resolve(JSON.parse(line) as T));
          this.#child.stdin?.write(`${JSON.stringify(question)}\n`);
        }),
    );
    this.#asked = answer.catch(() => undefined);
    return answer;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
