import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { connect as connectTls } from "node:tls";

/** What runs inside a machine of a test: it tries to reach something and says how that went. */
export interface Attempt {
  readonly kind: "tcp" | "udp" | "tls" | "dns-udp" | "dns-tcp" | "hold" | "held" | "bytes" | "flood" | "pieces" | "scan";
  readonly address: string;
  readonly port: number;
  readonly name?: string;
  /** bytes in base64 */
  readonly data?: string;
  readonly ca?: string;
  /** of tls: bytes to send and get back; of scan: how many ports */
  readonly size?: number;
  /** of tcp: how long an answer is waited for, where none is due */
  readonly silenceMs?: number;
}

/** `open` and what came back, or why nothing did. */
export interface Outcome {
  readonly result: "open" | "refused" | "silent";
  readonly detail: string;
}

/** a busy host may stand still for seconds */
const SILENCE_MS = 15_000;
/** of what waits for no answer, only for its own end */
const SENT_MS = 600_000;
const AGAIN_MS = 500;
type Finish = (result: Outcome["result"], detail: string) => void;
const held = new Map<string, ReturnType<typeof connect>>();

function once(work: (finish: Finish) => () => void, silenceMs = SILENCE_MS): Promise<Outcome> {
  return new Promise((resolve) => {
    let over = false;
    const finish: Finish = (result, detail) => {
      // What was sent twice may be answered twice at once.
      if (over) return;
      over = true;
      clearTimeout(timer);
      setImmediate(() => end());
      resolve({ result, detail });
    };
    const timer = setTimeout(() => finish("silent", ""), silenceMs);
    const end = work(finish);
  });
}

const tcp = ({ address, port, silenceMs }: Attempt) =>
  once((finish) => {
    const socket = connect({ host: address, port });
    socket.on("error", (error: NodeJS.ErrnoException) => finish("refused", error.code ?? error.message));
    socket.on("close", () => finish("refused", "closed"));
    socket.on("data", (bytes) => finish("open", bytes.toString().trim()));
    return () => socket.destroy();
  }, silenceMs);

const udp = ({ address, port, data = "" }: Attempt) =>
  once((finish) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("error", (error: NodeJS.ErrnoException) => finish("refused", error.code ?? error.message));
    socket.on("message", (bytes) => finish("open", bytes.toString("base64")));
    socket.connect(port, address, () => {
      socket.send(Buffer.from(data, "base64"));
    });
    // A refusal of one is told by the next.
    const again = setInterval(() => socket.send(Buffer.from(data, "base64"), () => undefined), AGAIN_MS);
    return () => {
      clearInterval(again);
      socket.close();
    };
  });

const tls = ({ address, port, name, ca, size = 0 }: Attempt) =>
  once((finish) => {
    const socket = connectTls({ host: address, port, servername: name ?? "", ca, checkServerIdentity: () => undefined });
    socket.on("error", (error: NodeJS.ErrnoException) => finish("refused", error.code ?? error.message));
    socket.on("close", () => finish("refused", "closed"));
    let greeting = "";
    let echoed = 0;
    socket.on("data", (chunk: Buffer) => {
      if (greeting !== "") echoed += chunk.length;
      else greeting = chunk.toString().trim();
      if (echoed >= size) finish("open", size > 0 ? `${greeting} ${echoed}` : greeting);
      else if (echoed === 0) socket.write(Buffer.alloc(size));
    });
    return () => socket.destroy();
  });

/** Sends bytes over a connection and tells all that comes back until the other side closes it. */
const bytes = ({ address, port, data = "" }: Attempt) =>
  once((finish) => {
    const socket = connect({ host: address, port, allowHalfOpen: true });
    const parts: Buffer[] = [];
    socket.on("error", (error: NodeJS.ErrnoException) => finish("refused", error.code ?? error.message));
    socket.on("data", (chunk: Buffer) => parts.push(chunk));
    socket.on("end", () => finish("open", Buffer.concat(parts).toString("base64")));
    socket.end(Buffer.from(data, "base64"));
    return () => socket.destroy();
  });

const dnsTcp = ({ address, port, data = "" }: Attempt) =>
  once((finish) => {
    const socket = connect({ host: address, port });
    let all = Buffer.alloc(0);
    socket.on("error", (error: NodeJS.ErrnoException) => finish("refused", error.code ?? error.message));
    socket.on("close", () => finish("refused", "closed"));
    socket.on("data", (chunk: Buffer) => {
      all = Buffer.concat([all, chunk]);
      if (all.length >= 2 && all.length >= 2 + all.readUInt16BE(0)) finish("open", all.subarray(2).toString("base64"));
    });
    const message = Buffer.from(data, "base64");
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    // in two pieces, as a network may cut it
    socket.write(length);
    setTimeout(() => socket.write(message), 10);
    return () => socket.destroy();
  });

/** Keeps a connection open, to be looked at later by `held`. */
const hold = (attempt: Attempt) =>
  once((finish) => {
    const key = `${attempt.address} ${attempt.port}`;
    const socket =
      attempt.name === undefined
        ? connect({ host: attempt.address, port: attempt.port })
        : connectTls({
            host: attempt.address,
            port: attempt.port,
            servername: attempt.name,
            ca: attempt.ca,
            checkServerIdentity: () => undefined,
          });
    held.set(key, socket);
    socket.on("error", (error: NodeJS.ErrnoException) => finish("refused", error.code ?? error.message));
    socket.once("data", (chunk: Buffer) => finish("open", chunk.toString().trim()));
    return () => undefined;
  });

/** Says something over a connection that is kept, and waits for its echo. */
const stillHeld = ({ address, port }: Attempt) =>
  once((finish) => {
    const socket = held.get(`${address} ${port}`);
    if (!socket || socket.destroyed) {
      finish("refused", "closed");
      return () => undefined;
    }
    socket.on("error", (error: NodeJS.ErrnoException) => finish("refused", error.code ?? error.message));
    socket.on("close", () => finish("refused", "closed"));
    socket.once("data", (chunk: Buffer) => finish("open", chunk.toString().trim()));
    socket.write("still there\n");
    return () => undefined;
  });

/** Sends bytes one after the other, and tells what comes back first. */
const pieces = ({ address, port, data = "" }: Attempt) =>
  once((finish) => {
    const socket = connect({ host: address, port, noDelay: true });
    socket.on("error", (error: NodeJS.ErrnoException) => finish("refused", error.code ?? error.message));
    socket.once("data", (chunk: Buffer) => finish("open", chunk.toString("base64")));
    const all = Buffer.from(data, "base64");
    const next = (at: number): void => {
      if (at < all.length) socket.write(all.subarray(at, at + 1), () => setImmediate(next, at + 1));
    };
    next(0);
    return () => socket.destroy();
  });

/** A datagram to each of so many ports. */
const scan = ({ address, port, size = 0 }: Attempt) =>
  once((finish) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("error", () => undefined);
    const next = (at: number): void => {
      if (at < size) socket.send("x", port + at, address, () => setImmediate(next, at + 1));
      else finish("open", "sent");
    };
    next(0);
    return () => socket.close();
  }, SENT_MS);

/** Sends many datagrams, and waits for no answer. */
const flood = ({ address, port, data = "" }: Attempt) =>
  once((finish) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("error", () => undefined);
    let left = 0;
    for (const text of data.split(" ")) {
      left += 1;
      socket.send(Buffer.from(text, "base64"), port, address, () => {
        left -= 1;
        if (left === 0) finish("open", "sent");
      });
    }
    return () => socket.close();
  }, SENT_MS);

const kinds = { tcp, udp, tls, "dns-udp": udp, "dns-tcp": dnsTcp, hold, held: stillHeld, bytes, flood, pieces, scan };

createInterface({ input: process.stdin }).on("line", (line) => {
  const attempt = JSON.parse(line) as Attempt;
  void kinds[attempt.kind](attempt).then((outcome) => process.stdout.write(`${JSON.stringify(outcome)}\n`));
});
