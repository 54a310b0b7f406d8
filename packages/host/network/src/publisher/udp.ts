import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { familyOf, type PublishedPort } from "@isthmus/contract";
import { UDP_IDLE_MS } from "../config.ts";
import { type Listener, type Target, taken } from "./listener.ts";
import type { Room } from "./room.ts";

/** One sender's: what `target` sends to its socket goes back to the sender. */
interface Association {
  readonly socket: Socket;
  lastMs: number;
}

const looksPerIdleTime = 4;

/**
 * Listens, and sends datagrams on to `target`, each sender's by a socket of its own. When there is no room, the association of this port that was idle
 * longest makes it. Throws PORT_TAKEN.
 */
export async function listenUdp(port: PublishedPort, target: Target, room: Room, idleMs = UDP_IDLE_MS): Promise<Listener> {
  const outer = await bind(port);
  const host = outer.address().port;
  /** by sender, the one that was idle longest first */
  const associations = new Map<string, Association>();
  const drop = (key: string, { socket }: Association) => {
    associations.delete(key);
    socket.close();
    room.give();
  };
  const makeRoom = (): boolean => {
    if (room.take()) return true;
    const [oldest] = associations;
    if (oldest === undefined) return false;
    drop(...oldest);
    return room.take();
  };
  const touch = (key: string, association: Association) => {
    association.lastMs = performance.now();
    associations.delete(key);
    associations.set(key, association);
  };
  const begin = (key: string, sender: RemoteInfo): Association | undefined => {
    if (!makeRoom()) return undefined;
    const association = { socket: createSocket("udp4"), lastMs: performance.now() };
    associations.set(key, association);
    association.socket.on("error", () => {
      if (associations.get(key) === association) drop(key, association);
    });
    association.socket.on("message", (bytes, from) => {
      if (from.address !== target.address || from.port !== target.port || associations.get(key) !== association) return;
      touch(key, association);
      outer.send(bytes, sender.port, sender.address, ignored);
    });
    return association;
  };
  outer.on("message", (bytes, sender) => {
    const key = `${sender.address} ${sender.port}`;
    const association = associations.get(key) ?? begin(key, sender);
    if (association === undefined) return;
    touch(key, association);
    association.socket.send(bytes, target.port, target.address, ignored);
  });
  outer.on("error", () => undefined);
  const looking = setInterval(() => {
    for (const [key, association] of associations) {
      if (performance.now() - association.lastMs < idleMs) break;
      drop(key, association);
    }
  }, idleMs / looksPerIdleTime).unref();
  return {
    port: { ...port, host },
    close() {
      clearInterval(looking);
      outer.close();
      for (const one of [...associations]) drop(...one);
    },
  };
}

/** A datagram that cannot be sent is lost, as on the way. */
const ignored = () => undefined;

async function bind(port: PublishedPort): Promise<Socket> {
  const socket = familyOf(port.address) === 6 ? createSocket({ type: "udp6", ipv6Only: true }) : createSocket("udp4");
  return await new Promise<Socket>((resolve, reject) => {
    const failed = (cause: Error) => {
      socket.close();
      reject(taken(port, cause));
    };
    socket.once("error", failed);
    socket.bind({ address: port.address, port: port.host, exclusive: true }, () => {
      socket.off("error", failed);
      resolve(socket.unref());
    });
  });
}
