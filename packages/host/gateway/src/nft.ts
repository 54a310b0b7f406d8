import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { IsthmusError } from "@isthmus/contract";
import { NFT_ARGUMENT_BYTES, NFT_DEADLINE_MS, NFT_OUTPUT_BYTES } from "./config.ts";

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      "nft",
      args,
      { timeout: NFT_DEADLINE_MS, maxBuffer: NFT_OUTPUT_BYTES, env: { PATH: process.env.PATH, LC_ALL: "C" } },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        const reason =
          error.code === "ENOENT"
            ? "it is not installed (apt-get install nftables)"
            : stderr.trim().split("\n").slice(0, 4).join("; ") || error.message;
        reject(new IsthmusError("HOST_COMMAND_FAILED", { program: "nft", reason }, { cause: error }));
      },
    );
  });
}

/** Debian's `nft` in the namespace of this process. Calls take effect in their order; each is one transaction of the kernel: all of it or nothing. */
export class Nft {
  #last: Promise<unknown> = Promise.resolve();
  readonly #file: string;

  /** `file` holds long rules while they are read. */
  constructor(file: string) {
    this.#file = file;
  }

  /** Throws HOST_COMMAND_FAILED. */
  change(rules: string): Promise<void> {
    return this.#inTurn(async () => {
      // Given as an argument: standard input of a child of Node is a socket, which nft cannot open.
      if (Buffer.byteLength(rules) < NFT_ARGUMENT_BYTES) return void (await run(["--", rules]));
      await writeFile(this.#file, rules, { mode: 0o600 });
      try {
        await run(["-f", this.#file]);
      } finally {
        await rm(this.#file, { force: true });
      }
    });
  }

  /** The objects that a listing gives (libnftables-json(5)). Throws HOST_COMMAND_FAILED, PROTOCOL. */
  list(commands: string): Promise<readonly unknown[]> {
    return this.#inTurn(async () => {
      const answer: unknown = JSON.parse(await run(["-j", "--", commands]));
      const list: unknown = typeof answer === "object" && answer !== null ? Reflect.get(answer, "nftables") : undefined;
      if (!Array.isArray(list)) throw new IsthmusError("PROTOCOL", { reason: "nft gave no list" });
      return list;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
