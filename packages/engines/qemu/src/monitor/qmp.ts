import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { IsthmusError } from "@isthmus/contract";
import { QMP_DEADLINE_MS, QMP_LINE_BYTES } from "../config.ts";
import { connectSocket } from "../guest/connecting.ts";

interface Command {
  readonly name: string;
  readonly settle: (answer: unknown) => void;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** One connection to QEMU's machine protocol: JSON lines, commands answered in order (docs/interop/qmp-spec.txt of QEMU). */
export class Qmp {
  /** Settles when the connection is over; QEMU closes it when it ends. Never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting: Command[] = [];
  readonly #events = new EventEmitter();
  #held = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        for (const command of this.#waiting.splice(0)) command.settle(new IsthmusError("PROTOCOL", { reason: "QEMU closed its monitor" }));
        resolve();
      });
    });
    socket.setEncoding("utf8");
    socket.on("error", () => {});
    socket.on("data", (text: string) => this.#read(text));
  }

  /** Waits for the socket when QEMU has just begun. Throws PROTOCOL, TIMEOUT. */
  static async connect(path: string, deadlineMs = QMP_DEADLINE_MS): Promise<Qmp> {
    const failure = (reason: string, cause: unknown) => new IsthmusError("PROTOCOL", { reason }, { cause });
    const qmp = new Qmp(await connectSocket(path, { deadlineMs, failure }));
    try {
      await qmp.execute("qmp_capabilities", {}, deadlineMs);
    } catch (error) {
      qmp.close();
      throw error;
    }
    return qmp;
  }

  get open(): boolean {
    return !this.#socket.destroyed;
  }

  /** The `return` of a command. Throws HOST_COMMAND_FAILED (QEMU's error), PROTOCOL (connection lost), TIMEOUT. */
  async execute(name: string, args: Readonly<Record<string, unknown>> = {}, deadlineMs = QMP_DEADLINE_MS): Promise<unknown> {
    if (this.#socket.destroyed) throw new IsthmusError("PROTOCOL", { reason: "the connection to QEMU's monitor is closed" });
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => reject(new IsthmusError("TIMEOUT", { what: `QEMU's ${name}`, limit: deadlineMs })), deadlineMs);
    this.#waiting.push({ name, settle: (answer) => (answer instanceof IsthmusError ? reject(answer) : resolve(answer)) });
    this.#socket.write(`${JSON.stringify({ execute: name, arguments: args })}\n`);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Calls `listener` with the data of each event of this name, until the returned function is called. */
  onEvent(name: string, listener: (data: unknown) => void): () => void {
    this.#events.on(name, listener);
    return () => this.#events.off(name, listener);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    const lines = (this.#held + text).split("\n");
    this.#held = lines.pop() ?? "";
    if (this.#held.length > QMP_LINE_BYTES) this.#socket.destroy();
    for (const line of lines) if (line.trim() !== "") this.#line(line);
  }

  #line(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.#socket.destroy();
      return;
    }
    const error = member(message, "error");
    const answer = member(message, "return");
    // Greeting and events carry neither.
    if (error === undefined && answer === undefined) {
      const event = member(message, "event");
      if (typeof event === "string") this.#events.emit(event, member(message, "data"));
      return;
    }
    const command = this.#waiting.shift();
    if (error === undefined) command?.settle(answer);
    else
      command?.settle(
        new IsthmusError("HOST_COMMAND_FAILED", { program: `QEMU's ${command.name}`, reason: String(member(error, "desc")) }),
      );
  }
}
