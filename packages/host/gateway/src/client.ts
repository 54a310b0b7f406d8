import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EgressDenial, GatewayReply, GatewayState } from "@isthmus/contract";
import { ControlClient, type Dialect, openControl, type Program, startControl } from "@isthmus/control";
import { CLIENT_APPLY_MS, CLIENT_STOP_MS, CLIENT_UNREAD, GATEWAY_PROTOCOL } from "./config.ts";
import { readReply } from "./messages.ts";

/** The gateway's program: its source, or beside this in the bundle (docs/adr/0006). */
const PROGRAM = import.meta.filename.endsWith(".ts")
  ? fileURLToPath(new URL("./main.ts", import.meta.url))
  : join(import.meta.dirname, "gateway.js");

/** `stop` has no number of its own. */
const STOP = -1;

export interface GatewayPlace {
  /** name of the network's namespace, as `ip netns` knows it */
  readonly namespace: string;
  /** path of its control socket, in a folder of its own that only the daemon's user may enter */
  readonly socket: string;
  /** file that its notes are added to */
  readonly log: string;
}

const programOf = ({ namespace, socket, log }: GatewayPlace): Program => ({
  path: PROGRAM,
  through: ["ip", "netns", "exec", namespace],
  socket,
  log,
});

/** What machines were refused, until somebody reads it. */
class Unread {
  readonly #denials: EgressDenial[] = [];
  #news = Promise.withResolvers<void>();
  #over = false;

  /** Beyond the limit the oldest are forgotten: nobody reads them. */
  add(denials: readonly EgressDenial[]): void {
    this.#denials.push(...denials);
    if (this.#denials.length > CLIENT_UNREAD) this.#denials.splice(0, this.#denials.length - CLIENT_UNREAD);
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  end(): void {
    this.#over = true;
    this.#news.resolve();
  }

  async *read(): AsyncGenerator<EgressDenial, void, undefined> {
    for (;;) {
      // One that stops reading leaves the rest to the next.
      for (let next = this.#denials.shift(); next; next = this.#denials.shift()) yield next;
      if (this.#over) return;
      await this.#news.promise;
    }
  }
}

interface GatewayDialect extends Dialect<GatewayReply> {
  readonly unread: Unread;
}

function dialect(): GatewayDialect {
  const unread = new Unread();
  return {
    name: "gateway",
    protocol: GATEWAY_PROTOCOL,
    readReply,
    seqOf: (reply) => (reply.type === "denied" ? undefined : (("seq" in reply ? reply.seq : null) ?? STOP)),
    told(reply) {
      if (reply.type === "denied") unread.add(reply.denials);
    },
    unread,
  };
}

/** The daemon's end of a network's gateway. The gateway lives on when this is closed or its daemon ends. */
export class GatewayClient {
  readonly pid: number;
  /** Settles when the connection is over: the gateway ended, or `close` was called. Never rejects. */
  readonly closed: Promise<void>;
  readonly #control: ControlClient<GatewayReply>;
  readonly #unread: Unread;
  #seq: number;

  private constructor(control: ControlClient<GatewayReply>, unread: Unread) {
    this.#control = control;
    this.#unread = unread;
    this.pid = control.pid;
    this.#seq = (control.hello.type === "hello" ? control.hello.seq : null) ?? 0;
    this.closed = control.closed.then(() => unread.end());
  }

  /**
   * Starts a gateway in a namespace and connects to it. The process outlives this one. Throws HOST_COMMAND_FAILED with the end of its log when it does not come up, TIMEOUT.
   */
  static async start(place: GatewayPlace): Promise<GatewayClient> {
    const spoken = dialect();
    return new GatewayClient(await startControl(programOf(place), spoken), spoken.unread);
  }

  /** The gateway of a place: the one that runs there, else a new one. One of another version is ended first; its rules stay until the new one has a state. Throws as `start`. */
  static async open(place: GatewayPlace): Promise<GatewayClient> {
    const spoken = dialect();
    return new GatewayClient(await openControl(programOf(place), spoken), spoken.unread);
  }

  /** Connects to a gateway that runs, waiting a while for it to listen. Throws TIMEOUT, PROTOCOL. */
  static async attach(path: string): Promise<GatewayClient> {
    const spoken = dialect();
    return new GatewayClient(await ControlClient.attach(path, spoken), spoken.unread);
  }

  /** Whether a gateway of this version listens there now. */
  static async isThere(path: string): Promise<boolean> {
    const client = await ControlClient.find(path, dialect()).catch(() => undefined);
    client?.close();
    return client !== undefined;
  }

  /**
   * Brings a state about, whole: what it does not name is gone. Settles when it is in force. Throws INVALID_REQUEST that names the field, HOST_COMMAND_FAILED, PROTOCOL when the gateway ended, TIMEOUT.
   */
  async apply(state: GatewayState): Promise<void> {
    this.#seq += 1;
    await this.#control.ask({ type: "state", seq: this.#seq, state }, this.#seq, CLIENT_APPLY_MS, "a change of the gateway");
  }

  /** Has the gateway refuse everything, take its rules away and end. Throws TIMEOUT, HOST_COMMAND_FAILED. */
  async stop(): Promise<void> {
    await this.#control.ask({ type: "stop" }, STOP, CLIENT_STOP_MS, "the end of the gateway");
    await this.closed;
  }

  /** What machines were refused, as it is told, about once a second; until the connection is over. One reader at a time. */
  denials(): AsyncGenerator<EgressDenial, void, undefined> {
    return this.#unread.read();
  }

  /** Ends the gateway's process at once; its rules stay. */
  kill(): void {
    this.#control.kill();
  }

  /** Leaves the gateway, which goes on. */
  close(): void {
    this.#control.close();
  }
}
