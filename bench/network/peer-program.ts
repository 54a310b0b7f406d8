import { createServer, type Socket } from "node:net";
import process from "node:process";
import { MIB } from "@isthmus/contract";
import { CONNECTIONS, ports, ROUND_TRIPS, TRANSFER_MIB } from "./config.ts";
import type { Figure } from "./figures.ts";

/** A process that guests connect to, in a namespace of its own; tells its parent what it measured of each. Its clock is the only one: a guest's runs as its emulator lets it. */

function tell(figure: Figure, values: readonly number[]): void {
  process.send?.({ figure, values });
}

const mibPerSecond = (bytes: number, began: number) => bytes / MIB / ((performance.now() - began) / 1000);

/** Reads to the end. */
function sink(socket: Socket): void {
  const began = performance.now();
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  socket.once("end", () => {
    tell("up", [mibPerSecond(bytes, began)]);
    socket.end();
  });
}

/** Writes it all; the time ends when the guest, which has read it, closes its end. */
function source(socket: Socket): void {
  const began = performance.now();
  const block = Buffer.alloc(MIB, "isthmus");
  for (let sent = 0; sent < TRANSFER_MIB; sent += 1) socket.write(block);
  socket.end();
  socket.resume();
  socket.once("end", () => tell("down", [mibPerSecond(TRANSFER_MIB * MIB, began)]));
}

/** Sends a byte, waits until it comes back, and so on. */
function echo(socket: Socket): void {
  socket.setNoDelay(true);
  const times: number[] = [];
  let began = performance.now();
  socket.write("x");
  socket.on("data", () => {
    times.push(performance.now() - began);
    if (times.length === ROUND_TRIPS) {
      tell("roundTrip", times);
      socket.end();
      return;
    }
    began = performance.now();
    socket.write("x");
  });
}

let connections = 0;
let first = 0;

/** Answers each request on a connection of its own; the rate is of those from the first one's arrival to the last one's. */
function web(socket: Socket): void {
  if (connections === 0) first = performance.now();
  connections += 1;
  if (connections === CONNECTIONS) {
    tell("connections", [(CONNECTIONS - 1) / ((performance.now() - first) / 1000)]);
    connections = 0;
  }
  socket.once("data", () => socket.end("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nx\n"));
}

const servers = { sink, source, echo, web } as const;
for (const [name, serve] of Object.entries(servers)) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    serve(socket);
  });
  server.listen(ports[name as keyof typeof ports]);
}
process.once("disconnect", () => process.exit());
