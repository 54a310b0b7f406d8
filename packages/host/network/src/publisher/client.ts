import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { ControlClient, type Dialect, evict, openControl } from "@isthmus/control";
import { PUBLISHER_ASK_MS, PUBLISHER_PROTOCOL } from "../config.ts";
import { type PublishedWays, type PublisherReply, type PublisherRequest, readReply, type Way, type Whose } from "./messages.ts";

/** The publisher's program: its source, or beside this in the bundle (docs/adr/0006). */
const PROGRAM = import.meta.filename.endsWith(".ts")
  ? fileURLToPath(new URL("./main.ts", import.meta.url))
  : join(import.meta.dirname, "publisher.js");

export interface PublisherPlace {
  /** the data folder; without it a publisher ends by itself */
  readonly home: string;
  /** path of its control socket, in a folder that only the daemon's user may enter */
  readonly socket: string;
  /** file that its notes are added to */
  readonly log: string;
}

const dialect: Dialect<PublisherReply> = {
  name: "publisher",
  protocol: PUBLISHER_PROTOCOL,
  readReply,
  seqOf: (reply) => ("seq" in reply ? (reply.seq ?? undefined) : undefined),
};

type Unnumbered<Request> = Request extends unknown ? Omit<Request, "seq"> : never;

/** The daemon's end of the publisher, which lives on when this is closed or its daemon ends. */
export class PublisherClient {
  readonly pid: number;
  /** Settles when the connection is over: the publisher ended, or `close` was called. Never rejects. */
  readonly closed: Promise<void>;
  readonly #control: ControlClient<PublisherReply>;
  #seq = 0;

  private constructor(control: ControlClient<PublisherReply>) {
    this.#control = control;
    this.pid = control.pid;
    this.closed = control.closed;
  }

  /** The publisher of a place: the one that runs there, else a new one, without any ports. Throws HOST_COMMAND_FAILED, TIMEOUT. */
  static async open({ home, socket, log }: PublisherPlace): Promise<PublisherClient> {
    return new PublisherClient(await openControl({ path: PROGRAM, socket, log, words: ["--home", home] }, dialect));
  }

  /** The publisher that an earlier daemon left, if one listens. One of another version is ended, and its ports with it. */
  static async find({ socket }: PublisherPlace): Promise<PublisherClient | undefined> {
    try {
      const found = await ControlClient.find(socket, dialect);
      return found && new PublisherClient(found);
    } catch (error) {
      if (!hasCode(error, "PROTOCOL")) throw error;
      await evict(socket);
      return undefined;
    }
  }

  /** Ports of a machine, in place of those that it has; they listen when it resolves. As they are really published: never port 0. Throws PORT_TAKEN; it has none then. */
  async publish({ namespace, address, ways }: PublishedWays): Promise<readonly Way[]> {
    const reply = await this.#ask({ type: "publish", namespace, address, ways: [...ways] });
    if (reply.type !== "published") throw unasked(reply);
    return reply.ways;
  }

  /** The machine's ports are free when it resolves; what is open ends. */
  async end({ namespace, address }: Whose): Promise<void> {
    await this.#ask({ type: "end", namespace, address });
  }

  /** How many connections, and senders of UDP, a machine's ports have open. */
  async count({ namespace, address }: Whose): Promise<number> {
    const reply = await this.#ask({ type: "count", namespace, address });
    if (reply.type !== "counted") throw unasked(reply);
    return reply.open;
  }

  async list(): Promise<readonly PublishedWays[]> {
    const reply = await this.#ask({ type: "list" });
    if (reply.type !== "listed") throw unasked(reply);
    return reply.all;
  }

  /** Has all ports freed and the publisher end. */
  async stop(): Promise<void> {
    await this.#ask({ type: "stop" });
    await this.closed;
  }

  /** Ends its process at once. */
  kill(): void {
    this.#control.kill();
  }

  /** Leaves the publisher, which goes on. */
  close(): void {
    this.#control.close();
  }

  #ask(request: Unnumbered<PublisherRequest>): Promise<PublisherReply> {
    this.#seq += 1;
    return this.#control.ask({ ...request, seq: this.#seq }, this.#seq, PUBLISHER_ASK_MS, `an answer of the publisher (${request.type})`);
  }
}

function unasked({ type }: PublisherReply): IsthmusError {
  return new IsthmusError("PROTOCOL", { reason: `the publisher answers ${type}, which it was not asked for` });
}
