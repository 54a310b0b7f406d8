import { createCipheriv, createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { finished, pipeline } from "node:stream/promises";

/** A program of network-load.test.ts that plays servers of the internet; its argument is how many MiB it sends to whoever connects to port 5000. */

/** What it says of a connection to port 5000 that has ended: digests and length. Its first message, without them, says that it listens. */
export interface Told {
  readonly sent?: string;
  readonly received?: string;
  readonly bytes?: number;
}

const MIB = 1024 * 1024;
const mebibytes = Number(process.argv[2]);
const say = (told: Told) => process.send?.(told);

/** Bytes no two blocks of which are the same, and their digest when they are over. */
function* noise(told: (digest: string) => void): Generator<Buffer> {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, 1), Buffer.alloc(16));
  const hash = createHash("sha256");
  const zeros = Buffer.alloc(MIB);
  for (let block = 0; block < mebibytes; block += 1) {
    const bytes = cipher.update(zeros);
    hash.update(bytes);
    yield bytes;
  }
  told(hash.digest("hex"));
}

async function thereAndBack(socket: Socket): Promise<void> {
  let sent: string | undefined;
  let bytes = 0;
  const hash = createHash("sha256");
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  await pipeline(
    noise((digest) => {
      sent = digest;
    }),
    socket,
  );
  await finished(socket);
  say({ sent, received: hash.digest("hex"), bytes });
}

let answered = 0;
const numbering = createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", () => {
    answered += 1;
    socket.end(`HTTP/1.0 200 OK\r\n\r\n${answered}\n`);
  });
});
const transfers = createServer({ allowHalfOpen: true }, (socket) => {
  thereAndBack(socket).catch((error: Error) => say({ sent: `failed: ${error.message}` }));
});
transfers.listen(5000, () => numbering.listen(5001, () => say({})));
process.once("disconnect", () => process.exit());
