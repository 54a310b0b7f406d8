import type { Readable, Writable } from "node:stream";
import type { Isthmus } from "@isthmus/sdk";
import { exitCodes } from "./config.ts";
import { shownJson } from "./terminal/escape.ts";
import { type Style, styleFor } from "./terminal/style.ts";
import { write } from "./terminal/write.ts";

export interface InputStream extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(on: boolean): unknown;
}

export interface OutputStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** What a command sees of the world around it; tests put in their own. */
export interface World {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: NodeJS.ProcessEnv;
  /** A client whose daemon answers; starts the daemon when `autostart` is set and none runs. */
  connect(world: World, options: { readonly autostart: boolean; readonly quiet: boolean }): Promise<Isthmus>;
  /** Gives the terminal behind stdin to the workload; the returned function takes it back. */
  rawMode(): () => void;
  /** Asks for a signal of this process; the returned function takes the listener away. */
  onSignal(name: NodeJS.Signals, listener: () => void): () => void;
}

export class Context {
  readonly world: World;
  readonly style: Style;
  /** results as JSON */
  json = false;
  /** what `main` returns when the command ends well */
  exitCode: number = exitCodes.ok;
  /** words of the command in force, for messages: `image ls` */
  commandName = "";
  #client: Promise<Isthmus> | undefined;

  constructor(world: World) {
    this.world = world;
    this.style = styleFor(world.stdout, world.env);
  }

  /** The client of a daemon that answers, started when needed. Throws DAEMON_UNREACHABLE, DAEMON_START_FAILED. */
  client(): Promise<Isthmus> {
    this.#client ??= this.world.connect(this.world, { autostart: !this.world.env.ISTHMUS_NO_AUTOSTART, quiet: this.json });
    return this.#client;
  }

  /** The client of a daemon that runs already. Throws DAEMON_UNREACHABLE. */
  runningClient(): Promise<Isthmus> {
    return this.world.connect(this.world, { autostart: false, quiet: true });
  }

  /** Result text. Throws ReaderGone. */
  async print(text: string): Promise<void> {
    if (text !== "") await write(this.world.stdout, text);
  }

  /** A result as JSON: for people indented, for programs one line. */
  async printJson(value: unknown): Promise<void> {
    await this.print(`${shownJson(value, this.world.stdout.isTTY ? 2 : undefined)}\n`);
  }

  /** One line of a stream of results. */
  async printJsonLine(value: unknown): Promise<void> {
    await this.print(`${shownJson(value)}\n`);
  }

  /** A remark for the person in front; nothing with --json. */
  note(text: string): void {
    if (!this.json) this.world.stderr.write(`${text}\n`);
  }
}
