import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { IsthmusError, type PublishedPort } from "@isthmus/contract";

interface Held {
  readonly port: PublishedPort;
  release(): Promise<void>;
}

function taken(port: PublishedPort, cause: NodeJS.ErrnoException): IsthmusError {
  const reason = cause.code === "EADDRINUSE" ? "in use" : cause.code === "EACCES" ? "not permitted" : cause.message;
  return new IsthmusError("PORT_TAKEN", { port: port.host, address: port.address, reason }, { cause });
}

async function holdTcp(port: PublishedPort): Promise<Held> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause) => reject(taken(port, cause)));
    server.listen({ host: port.address, port: port.host, exclusive: true }, () => {
      const address = server.address();
      const host = typeof address === "object" && address !== null ? address.port : port.host;
      resolve({ port: { ...port, host }, release: () => new Promise((done) => server.close(() => done())) });
    });
  });
}

async function holdUdp(port: PublishedPort): Promise<Held> {
  return await new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", (cause) => {
      socket.close();
      reject(taken(port, cause));
    });
    socket.bind({ address: port.address, port: port.host, exclusive: true }, () => {
      const host = socket.address().port;
      resolve({ port: { ...port, host }, release: () => new Promise((done) => socket.close(() => done())) });
    });
  });
}

/**
 * The ports as they can be published now: each was bound once and let go, port 0 became a free one. Throws PORT_TAKEN, also when two of them are the
 * same. QEMU binds them again a moment later and may find them taken after all.
 */
export async function choosePorts(ports: readonly PublishedPort[]): Promise<readonly PublishedPort[]> {
  const held: Held[] = [];
  try {
    // Fixed ones first, so that a free one is not just theirs.
    const wanted = [...ports.keys()].sort((a, b) => Number(ports[a]?.host === 0) - Number(ports[b]?.host === 0));
    const chosen = new Map<number, PublishedPort>();
    for (const index of wanted) {
      const port = ports[index];
      if (port === undefined) continue;
      const hold = await (port.protocol === "udp" ? holdUdp(port) : holdTcp(port));
      held.push(hold);
      chosen.set(index, hold.port);
    }
    return ports.map((port, index) => chosen.get(index) ?? port);
  } finally {
    await Promise.all(held.map((each) => each.release()));
  }
}

/** The PORT_TAKEN that QEMU's words tell of, if they do. */
export function portTakenIn(words: string): IsthmusError | undefined {
  const match = /host forwarding rule '(?:tcp|udp):([\d.]+):(\d+)-/.exec(words);
  if (match === null) return undefined;
  return new IsthmusError("PORT_TAKEN", { port: Number(match[2]), address: match[1] ?? "", reason: "QEMU could not bind it" });
}
