import { connect, createServer, type Server, type Socket } from "node:net";
import { IsthmusError } from "@isthmus/contract";
import { TLS_CONNECT_MS, TLS_CONNECTIONS, TLS_HELLO_BYTES, TLS_HELLO_MS, TLS_MACHINE_CONNECTIONS, TLS_PORTS } from "../config.ts";
import type { Denials } from "../denials.ts";
import { remoteAddress } from "../dns/server.ts";
import { nameMayOpen } from "../never.ts";
import { Places } from "../places.ts";
import { hostMatches, type MachinePlan, opensTls, ownBlocks } from "../plan.ts";
import type { Applied } from "../rules/ruleset.ts";
import type { Ties } from "../ties.ts";
import { readHello } from "./client-hello.ts";

/** a fatal alert of TLS, access_denied (RFC 8446, 6.2): clients say that instead of a connection that broke */
const ACCESS_DENIED = Buffer.from([21, 3, 3, 0, 2, 2, 49]);

interface Destination {
  readonly machine: string;
  readonly name: string;
  readonly port: number;
  /** its address */
  readonly server: string;
}

interface Passing extends Destination {
  readonly sockets: readonly Socket[];
}

export interface TlsParts {
  readonly applied: () => Applied | undefined;
  readonly machineAt: (address: string) => MachinePlan | undefined;
  readonly ties: Ties;
  readonly denials: Denials;
  readonly note: (text: string) => void;
}

/** Connections of machines to TLS ports of servers that their policy names: they go on when the server that they are for is one that it names, and has that address. */
export class TlsProxy {
  readonly #parts: TlsParts;
  readonly #places = new Places(TLS_CONNECTIONS, TLS_MACHINE_CONNECTIONS);
  readonly #servers: Server[] = [];
  readonly #waiting = new Set<Socket>();
  readonly #passing = new Set<Passing>();

  constructor(parts: TlsParts) {
    this.#parts = parts;
  }

  /** Throws HOST_COMMAND_FAILED. */
  async listen(): Promise<void> {
    for (const port of TLS_PORTS) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#onClient(socket, port));
      try {
        await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "::", resolve));
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new IsthmusError(
          "HOST_COMMAND_FAILED",
          { program: "gateway", reason: `the check of TLS cannot listen on ${port}: ${reason}` },
          { cause },
        );
      }
      server.on("error", (error) => this.#parts.note(`TLS on ${port}: ${error.message}`));
      this.#servers.push(server);
    }
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#waiting) socket.destroy();
    for (const passing of this.#passing) for (const socket of passing.sockets) socket.destroy();
  }

  /** Ends connections that the policies in force do not open. */
  recheck(): void {
    const plans = this.#parts.applied()?.plans;
    for (const { machine, name, port, sockets } of this.#passing) {
      const plan = plans?.get(machine);
      if (!plan || !(plan.open || opensTls(plan, name, port))) for (const socket of sockets) socket.destroy();
    }
  }

  #onClient(socket: Socket, port: number): void {
    socket.on("error", () => socket.destroy());
    const from = remoteAddress(socket.remoteAddress);
    const plan = from === undefined ? undefined : this.#parts.machineAt(from);
    const server = this.#parts.ties.serverOf(remoteAddress(socket.localAddress) ?? "");
    if (!plan || server === undefined) return void socket.destroy();
    const { id } = plan.machine;
    if (!this.#places.take(id)) {
      this.#parts.denials.add({ machine: id, kind: "limit", name: "connections", address: server, port, protocol: "tcp" });
      return void socket.destroy();
    }
    this.#waiting.add(socket);
    socket.on("close", () => {
      this.#waiting.delete(socket);
      this.#places.giveBack(id);
    });
    this.#readHello(socket, id, server, port);
  }

  #readHello(socket: Socket, machine: string, server: string, port: number): void {
    let held = Buffer.alloc(0);
    const finish = (name: string | undefined): void => {
      clearTimeout(timer);
      socket.off("data", onData).off("end", onEnd).pause();
      this.#decide(socket, machine, server, port, name, held);
    };
    const timer = setTimeout(() => finish(undefined), TLS_HELLO_MS);
    socket.on("close", () => clearTimeout(timer));
    const onData = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk]);
      const hello = readHello(held);
      if (hello.kind === "hello") finish(hello.name);
      else if (hello.kind === "other" || held.length > TLS_HELLO_BYTES) finish(undefined);
    };
    // One that says nothing and leaves tried nothing.
    const onEnd = (): void => (held.length > 0 ? finish(undefined) : void socket.destroy());
    socket.on("data", onData).on("end", onEnd);
  }

  #decide(client: Socket, machine: string, server: string, port: number, name: string | undefined, hello: Buffer): void {
    if (client.destroyed) return;
    if (name !== undefined && this.#mayPass(machine, name, server, port)) {
      this.#pass(client, { machine, name, port, server }, hello);
      return;
    }
    const shown = name?.replaceAll(/[^\x21-\x7e]/g, "?").slice(0, 253);
    this.#parts.denials.add({ machine, kind: "tls", ...(shown ? { name: shown } : {}), address: server, port, protocol: "tcp" });
    client.end(ACCESS_DENIED, () => client.destroy());
  }

  #mayPass(machine: string, name: string, server: string, port: number): boolean {
    const applied = this.#parts.applied();
    const plan = applied?.plans.get(machine);
    if (!applied || !plan || !opensTls(plan, name, port) || !this.#parts.ties.holds(machine, name, server)) return false;
    const wildcard = !plan.hosts.some(({ host }) => !host.startsWith("*.") && hostMatches(host, name));
    return nameMayOpen(server, ownBlocks(applied.state), wildcard);
  }

  #pass(client: Socket, to: Destination, hello: Buffer): void {
    const upstream = connect({ host: to.server, port: to.port, allowHalfOpen: true, noDelay: true });
    const passing: Passing = { ...to, sockets: [client, upstream] };
    this.#waiting.delete(client);
    this.#passing.add(passing);
    // Each side may have more to read when the other is done; one that does not read it is not waited for.
    const over = (other: Socket, failed: boolean): void => {
      clearTimeout(timer);
      this.#passing.delete(passing);
      if (failed) other.resetAndDestroy();
      else other.setTimeout(TLS_CONNECT_MS, () => other.destroy());
    };
    const timer = setTimeout(() => upstream.destroy(), TLS_CONNECT_MS);
    upstream.on("error", () => undefined);
    upstream.on("close", (failed) => over(client, failed || upstream.bytesRead === 0));
    client.on("close", (failed) => over(upstream, failed || !client.readableEnded));
    upstream.on("connect", () => {
      clearTimeout(timer);
      upstream.write(hello);
      client.pipe(upstream);
      upstream.pipe(client);
    });
  }
}
