import { createSocket } from "node:dgram";
import { readFile } from "node:fs/promises";
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

/** TCP connections that are open to these ports, whoever has them (proc(5), /proc/net/tcp). */
export async function connectionsTo(ports: readonly PublishedPort[]): Promise<number> {
  const wanted = new Set(ports.filter(({ protocol }) => protocol === "tcp").map(({ address, host }) => endOf(address, host)));
  if (wanted.size === 0) return 0;
  const lines = (await readFile("/proc/net/tcp", "utf8")).split("\n");
  return lines.filter((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return state === ESTABLISHED && local !== undefined && wanted.has(local);
  }).length;
}

/** TCP_ESTABLISHED of include/net/tcp_states.h of Linux, as /proc/net/tcp writes it */
const ESTABLISHED = "01";

/** An IPv4 address and port as /proc/net/tcp writes them: the address as a number of this little-endian host, both in hex. */
function endOf(address: string, port: number): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return `${bytes.reverse().join("")}:${port.toString(16).padStart(4, "0")}`.toUpperCase();
}

/** The PORT_TAKEN that QEMU's words tell of, if they do. */
export function portTakenIn(words: string): IsthmusError | undefined {
  const match = /host forwarding rule '(?:tcp|udp):([\d.]+):(\d+)-/.exec(words);
  if (match === null) return undefined;
  return new IsthmusError("PORT_TAKEN", { port: Number(match[2]), address: match[1] ?? "", reason: "QEMU could not bind it" });
}
