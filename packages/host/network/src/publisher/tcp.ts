import { connect, createServer, type Socket } from "node:net";
import type { PublishedPort } from "@isthmus/contract";
import { PUBLISHED_CONNECT_MS, TCP_IDLE_MS, TCP_KEEP_ALIVE_MS } from "../config.ts";
import { type Listener, type Target, taken } from "./listener.ts";
import type { Room } from "./room.ts";

export interface TcpTimes {
  readonly connectMs: number;
  readonly idleMs: number;
}

const usual: TcpTimes = { connectMs: PUBLISHED_CONNECT_MS, idleMs: TCP_IDLE_MS };

/** Listens, and joins each connection to one of its own to `target`. One that finds no room, or no machine, is reset. Throws PORT_TAKEN. */
export async function listenTcp(port: PublishedPort, target: Target, room: Room, times: TcpTimes = usual): Promise<Listener> {
  const open = new Set<Socket>();
  const server = createServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS },
    (client) => {
      client.on("error", () => client.destroy());
      if (!room.take()) {
        client.resetAndDestroy();
        return;
      }
      open.add(client);
      client.once("close", () => {
        open.delete(client);
        room.give();
      });
      join(client, target, times);
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(taken(port, cause)));
    server.listen({ host: port.address, port: port.host, exclusive: true, ipv6Only: true }, resolve);
  });
  // such as no descriptor being left: the port goes on listening
  server.on("error", () => undefined);
  server.unref();
  const address = server.address();
  return {
    port: { ...port, host: typeof address === "object" && address !== null ? address.port : port.host },
    close() {
      server.close();
      for (const client of open) client.resetAndDestroy();
    },
  };
}

/** Both ways, half-closes too, until both sides have ended. */
function join(client: Socket, target: Target, { connectMs, idleMs }: TcpTimes): void {
  const machine = connect({ host: target.address, port: target.port, allowHalfOpen: true, noDelay: true, keepAlive: true });
  const late = setTimeout(() => machine.destroy(), connectMs);
  let joined = false;
  machine.once("connect", () => {
    joined = true;
    clearTimeout(late);
    client.setTimeout(idleMs, () => client.resetAndDestroy());
  });
  machine.on("error", () => machine.destroy());
  machine.once("close", (failed) => {
    clearTimeout(late);
    if (failed || !joined) client.resetAndDestroy();
    else client.destroy();
  });
  client.once("close", () => machine.destroy());
  client.pipe(machine);
  machine.pipe(client);
}
