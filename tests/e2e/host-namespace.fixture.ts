import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import type { Machine, Network } from "@isthmus/sdk";
import { type CliResult, eventually, World } from "../world.ts";
import { TwoNamespaces, type Where } from "./two-namespaces.fixture.ts";

/** How long an answer is waited for: a busy host may let a guest stand still for seconds. */
export const ANSWER_S = 20;
/** The same where there is to be none. */
export const SILENCE_S = 2;

/** A page on port 80 that says which machine it is of. */
const SERVE = ["busybox", "sh", "-c", "mkdir /w; hostname > /w/index.html; exec httpd -f -p 80 -h /w"];

/** A world whose daemon lives in a namespace of its own, which plays the host: its only way out leads to another one, which plays the internet. */
export class HostNamespace implements AsyncDisposable {
  readonly world: World;
  readonly #namespaces: TwoNamespaces;
  readonly #servers: { kill(): boolean }[] = [];

  private constructor(world: World, namespaces: TwoNamespaces) {
    this.world = world;
    this.#namespaces = namespaces;
  }

  static async make(): Promise<HostNamespace> {
    const namespaces = new TwoNamespaces();
    const world = await World.start({}, () => undefined, namespaces.within("host")).catch((error: unknown) => {
      namespaces[Symbol.dispose]();
      throw error;
    });
    return new HostNamespace(world, namespaces);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.world.removeAll();
      await this.world.ok(["network", "prune"]);
      await this.world[Symbol.asyncDispose]();
    } finally {
      for (const server of this.#servers) server.kill();
      this.#namespaces[Symbol.dispose]();
    }
  }

  /** Runs a program where the daemon is; its stdout. */
  inHost(...words: string[]): string {
    const [program = "", ...args] = [...this.#namespaces.within("host"), ...words];
    return execFileSync(program, args, { encoding: "utf8" });
  }

  /** Has the internet, or the host, say `word` to whoever connects, over IPv4 and IPv6. Resolves when it listens. */
  async serve(where: Where, port: number, word: string): Promise<void> {
    const code = `require("net").createServer((s) => s.on("error", () => {}).end("${word}\\n")).listen(${port}, "::", () => console.log("listens"))`;
    const [program = "", ...args] = [...this.#namespaces.within(where), process.execPath, "-e", code];
    const server = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#servers.push(server);
    await once(server.stdout, "data");
  }

  async network(name: string): Promise<Network> {
    return JSON.parse(await this.world.ok(["network", "inspect", name]))[0];
  }

  async machine(ref: string): Promise<Machine> {
    return JSON.parse(await this.world.ok(["inspect", ref]))[0];
  }

  run(name: string, ...words: string[]): Promise<string> {
    return this.world.ok(["run", "-d", "--name", name, ...words]);
  }

  /** Runs a machine whose page on port 80 says its name. Resolves when the page is there, which may be after the machine runs. */
  async runServer(name: string, ...words: string[]): Promise<void> {
    await this.run(name, ...words, "-h", name, ...SERVE);
    await eventually(`the page of ${name}`, async () => (await this.fetch(name, "127.0.0.1")).text === name || undefined);
  }

  /** The last line that a machine gets from port 80 of an address. busybox's wget is linked in a way that cannot look names up. */
  fetch(from: string, address: string, port = 80, seconds = ANSWER_S): Promise<CliResult> {
    return this.world.cli(["exec", from, "sh", "-c", ask(address, port, seconds)]);
  }

  /** The same from many addresses at once, by address. */
  async fetchAll(from: string, addresses: readonly string[], seconds = ANSWER_S): Promise<Readonly<Record<string, string>>> {
    const jobs = addresses.map((address) => `(x=$(${ask(address, 80, seconds)}); echo "${address} $x") &`);
    const text = await this.world.ok(["exec", from, "sh", "-c", `${jobs.join(" ")} wait`]);
    return Object.fromEntries(text.split("\n").map((line) => [line.split(" ")[0] ?? "", line.split(" ")[1] ?? ""]));
  }

  /** Addresses that a machine finds for a name, in order; an empty one where there is none. */
  async lookUp(from: string, name: string): Promise<readonly string[]> {
    const { text } = await this.world.cli(["exec", from, "sh", "-c", `nslookup ${name} | grep ^Address | tail -n +2`]);
    return text
      .split("\n")
      .map((line) => line.replace(/^Address.*?: */, ""))
      .sort();
  }
}

const ask = (address: string, port: number, seconds: number) =>
  `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w ${seconds} ${address} ${port} | tail -n 1`;
