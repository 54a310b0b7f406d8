import { connect, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { IsthmusError, type PublishedPort } from "@isthmus/contract";
import type { ContactPorts, ContactWatch } from "@isthmus/core";
import { HELD_CONNECTIONS_MAX } from "./config.ts";
import { type NativeListener, TAKER, takeListeners } from "./taken-listeners.ts";

interface Held {
  readonly socket: Socket;
  readonly port: PublishedPort;
}

/** Listens in place of suspended machines. Beside the agent lies the program that takes ports over. */
export function createContactPorts({ agentPath }: { readonly agentPath: string }): ContactPorts {
  return {
    async watch(ports) {
      const watch = new Watch();
      try {
        for (const port of ports) await watch.listen(port);
      } catch (error) {
        watch.close();
        throw error;
      }
      return watch;
    },
    async take(ports, pid) {
      const listeners = await takeListeners(path.join(path.dirname(agentPath), TAKER), pid, ports);
      const watch = new Watch();
      for (const [index, port] of ports.entries()) watch.goOn(port, listeners[index]);
      return watch;
    },
  };
}

class Watch implements ContactWatch {
  readonly #servers: Server[] = [];
  readonly #held: Held[] = [];
  #contacted: (() => void) | undefined;

  arm(contacted: () => void): void {
    this.#contacted = contacted;
    if (this.#held.length > 0) contacted();
  }

  async listen(port: PublishedPort): Promise<void> {
    const server = this.#serve(port);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) =>
        reject(new IsthmusError("PORT_TAKEN", { port: port.host, address: port.address, reason: cause.message }, { cause })),
      );
      server.listen({ host: port.address, port: port.host, exclusive: true, ipv6Only: true }, resolve);
    });
  }

  goOn(port: PublishedPort, listener: NativeListener | undefined): void {
    this.#serve(port).listen({ _handle: listener });
  }

  #serve(port: PublishedPort): Server {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.#hold(socket, port));
    this.#servers.push(server);
    return server.unref();
  }

  /** The ports are free at once; `close` of a server would wait for the connections that are held. */
  async free(): Promise<void> {
    for (const server of this.#servers.splice(0)) server.close();
  }

  pass(): void {
    for (const { socket, port } of this.#held.splice(0)) join(socket, port);
  }

  close(): void {
    void this.free();
    for (const { socket } of this.#held.splice(0)) socket.destroy();
  }

  #hold(socket: Socket, port: PublishedPort): void {
    socket.on("error", () => socket.destroy());
    if (this.#held.length >= HELD_CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    this.#held.push({ socket, port });
    if (this.#held.length === 1) this.#contacted?.();
  }
}

/** Both ways, half-closes too, until both sides have ended. */
function join(socket: Socket, port: PublishedPort): void {
  const machine = connect({ host: port.address, port: port.host, allowHalfOpen: true });
  machine.on("error", () => socket.destroy());
  socket.on("close", () => machine.destroy());
  machine.on("close", () => socket.destroy());
  socket.pipe(machine);
  machine.pipe(socket);
}
