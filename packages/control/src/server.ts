import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { type ErrorBody, IsthmusError } from "@isthmus/contract";
import { CLIENTS, LINE_BYTES, UNSENT_BYTES } from "./config.ts";
import { Lines } from "./lines.ts";
import { seqOf } from "./messages.ts";

export interface Service<Request, Reply> {
  /** what errors call the process: gateway */
  readonly name: string;
  /** Throws INVALID_JSON, INVALID_REQUEST. */
  readRequest(line: string): Request;
  /** The first line that each client gets. */
  hello(): Reply;
  /** Carries a request out and gives the reply to it. An error becomes the reply `refused`. */
  handle(request: Request): Promise<Reply>;
}

/** What stands for an error; `seq` is the request's, null when it was not understood. */
interface Refusal {
  readonly type: "refused";
  readonly seq: number | null;
  readonly error: ErrorBody;
}

function write(socket: Socket, message: unknown): void {
  if (socket.destroyed) return;
  socket.write(`${JSON.stringify(message)}\n`);
  // One that reads nothing is not waited for: it finds what it missed when it comes back.
  if (socket.writableLength > UNSENT_BYTES) socket.destroy();
}

/** The control socket of a process. What comes in is carried out one after the other; garbage is refused, and ends nothing but its connection. */
export class ControlServer<Request, Reply> {
  readonly #service: Service<Request, Reply>;
  readonly #clients = new Set<Socket>();
  readonly #server: Server;
  #last: Promise<void> = Promise.resolve();

  constructor(service: Service<Request, Reply>) {
    this.#service = service;
    this.#server = createServer((socket) => this.#onClient(socket));
  }

  /** Whether anybody is there to be told. */
  get heard(): boolean {
    return this.#clients.size > 0;
  }

  /** Throws HOST_COMMAND_FAILED. A socket file that nobody listens on any more gives way. */
  async listen(path: string): Promise<void> {
    try {
      await rm(path, { force: true });
      const before = process.umask(0o177);
      try {
        await new Promise<void>((resolve, reject) => this.#server.once("error", reject).listen(path, resolve));
      } finally {
        process.umask(before);
      }
      await chmod(path, 0o600);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new IsthmusError("HOST_COMMAND_FAILED", { program: this.#service.name, reason }, { cause });
    }
  }

  tell(message: Reply): void {
    for (const socket of this.#clients) write(socket, message);
  }

  /** Sends what is left and goes. */
  async close(): Promise<void> {
    this.#server.close();
    await Promise.all([...this.#clients].map((socket) => new Promise<void>((resolve) => socket.end(() => resolve()))));
    for (const socket of this.#clients) socket.destroy();
  }

  #onClient(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#clients.size >= CLIENTS) return void socket.destroy();
    this.#clients.add(socket);
    socket.on("close", () => this.#clients.delete(socket));
    write(socket, this.#service.hello());
    const lines = new Lines(LINE_BYTES);
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const line of lines.push(chunk)) this.#inTurn(socket, line);
      } catch (error) {
        write(socket, { type: "refused", seq: null, error: IsthmusError.from(error).toBody() });
        socket.end();
      }
    });
  }

  /** While a line is carried out, its client's next ones wait outside. */
  #inTurn(socket: Socket, line: string): void {
    socket.pause();
    this.#last = this.#last.then(async () => {
      write(socket, await this.#reply(line));
      socket.resume();
    });
  }

  async #reply(line: string): Promise<Reply | Refusal> {
    try {
      return await this.#service.handle(this.#service.readRequest(line));
    } catch (error) {
      return { type: "refused", seq: seqOf(line), error: IsthmusError.from(error).toBody() };
    }
  }
}
