import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { type Answer, decode, encode, type Packet } from "dns-packet";

/**
 * What plays the internet in a test, started with files of a key and a certificate and its addresses: TCP servers that greet with where they are, TLS servers that greet with the name they were asked for,
 * UDP servers that echo, and a DNS server whose zone is told on standard input.
 */
interface Zone {
  /** records by name in small letters; a name that is not there is NXDOMAIN */
  readonly records: Record<string, Answer[]>;
}

const [keyFile = "", certFile = "", ...addresses] = process.argv.slice(2);
let zone: Zone = { records: {} };
const asked: string[] = [];

function greet(socket: Socket, text: string): void {
  socket.on("error", () => undefined);
  socket.write(`${text}\n`);
  socket.on("data", (bytes) => socket.write(bytes));
}

const shown = (address: string | undefined) => (address ?? "").replace("::ffff:", "");

for (const port of [22, 80, 853, 5432, 8080, 9000])
  createServer((socket) => greet(socket, `tcp ${shown(socket.localAddress)} ${port}`)).listen(port, "::");
const tls = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
for (const port of [443, 8443])
  createTlsServer(tls, (socket: TLSSocket) => greet(socket, `tls ${String(socket.servername)} ${shown(socket.localAddress)}`))
    .on("tlsClientError", () => undefined)
    .listen(port, "::");
// Each on its own address, for answers to come from there.
for (const port of [443, 853, 4000, 5353])
  for (const address of addresses) {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("message", (bytes, from) => socket.send(bytes, from.port, from.address)).bind(port, address);
  }

function answerTo(bytes: Buffer): Packet {
  const query = decode(bytes);
  const question = query.questions?.[0];
  const name = question?.name.toLowerCase() ?? "";
  const records = zone.records[name];
  asked.push(`${question?.type} ${name}`);
  const answers = records?.filter(({ type }) => type === question?.type || type === "CNAME") ?? [];
  // what an alias stands for goes with it
  for (let index = 0; index < answers.length && index < 40; index += 1) {
    const record = answers[index];
    if (record?.type === "CNAME")
      answers.push(...(zone.records[record.data.toLowerCase()] ?? []).filter(({ type }) => type === question?.type || type === "CNAME"));
  }
  return { type: "response", id: query.id, flags: 0x0180 | (records ? 0 : 3), questions: query.questions, answers };
}

const PLAIN_UDP = 512;
for (const address of addresses) {
  const dns = createSocket(address.includes(":") ? "udp6" : "udp4");
  dns.on("message", (bytes, from) => {
    const answer = answerTo(bytes);
    const whole = encode(answer);
    // larger ones only over TCP
    const cut = { ...answer, flags: (answer.flags ?? 0) | 0x0200, answers: [] };
    dns.send(whole.length > PLAIN_UDP ? encode(cut) : whole, from.port, from.address);
  });
  dns.bind(53, address);
}
createServer((socket) => {
  let held = Buffer.alloc(0);
  socket.on("error", () => undefined);
  socket.on("data", (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    if (held.length < 2 || held.length < 2 + held.readUInt16BE(0)) return;
    const whole = encode(answerTo(held.subarray(2)));
    held = Buffer.alloc(0);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(whole.length);
    socket.write(Buffer.concat([length, whole]));
  });
}).listen(53, "::");

createInterface({ input: process.stdin }).on("line", (line) => {
  const told = JSON.parse(line) as { zone?: Zone };
  if (told.zone) zone = told.zone;
  process.stdout.write(`${JSON.stringify({ asked: asked.splice(0) })}\n`);
});
