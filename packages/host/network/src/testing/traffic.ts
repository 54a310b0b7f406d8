import { createSocket } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** Sends and counts in the namespace that it is run in, and says what came of it on stdout. */
const [action = "", address = "", amount = "0"] = process.argv.slice(2);
const PORT = 7000;
const CHUNK_BYTES = 65_536;
/** of a datagram, which a receiver can always hold many of */
const DATAGRAM = Buffer.from("x");
const PAUSE_MS = 500;

function receive(): void {
  let datagrams = 0;
  createSocket({ type: "udp4", recvBufferSize: 4 << 20 })
    .on("message", () => {
      datagrams += 1;
    })
    .bind(PORT);
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    let bytes = 0;
    socket.on("data", (data) => {
      bytes += data.length;
    });
    socket.on("end", () => socket.end(JSON.stringify({ bytes, datagrams })));
    socket.on("error", () => undefined);
  });
  server.listen(PORT, () => console.log("ready"));
}

/** How long it took until all that came was received, in ms, and how many bytes that was. */
async function stream(bytes: number): Promise<void> {
  const began = performance.now();
  const socket = connect({ host: address, port: PORT, allowHalfOpen: true });
  for (let left = bytes; left > 0; left -= CHUNK_BYTES)
    if (!socket.write(Buffer.alloc(Math.min(left, CHUNK_BYTES)))) await new Promise((resolve) => socket.once("drain", resolve));
  socket.end();
  let answer = "";
  for await (const data of socket) answer += String(data);
  console.log(JSON.stringify({ ms: performance.now() - began, bytes: JSON.parse(answer).bytes }));
}

/** Sent in packs that no queue on the way is too short for. */
async function datagrams(count: number): Promise<void> {
  const socket = createSocket("udp4");
  for (let sent = 0; sent < count; sent += 1) {
    await new Promise((resolve) => socket.send(DATAGRAM, PORT, address, resolve));
    if (sent % 100 === 99) await sleep(1);
  }
  await sleep(PAUSE_MS);
  socket.close();
}

/** How many datagrams the receiver had, ever. */
async function counted(): Promise<void> {
  const socket = connect({ host: address, port: PORT, allowHalfOpen: true });
  socket.end();
  let answer = "";
  for await (const data of socket) answer += String(data);
  console.log(JSON.parse(answer).datagrams);
}

if (action === "receive") receive();
else if (action === "stream") await stream(Number(amount));
else if (action === "datagrams") await datagrams(Number(amount));
else await counted();
