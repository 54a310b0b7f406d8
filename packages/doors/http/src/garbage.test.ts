import { randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { channels } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { openDoor } from "./testing/fakes.ts";
import { Random } from "./testing/random.ts";

const CONNECTIONS = Number(process.env.ISTHMUS_GARBAGE_CONNECTIONS ?? 5_000);
const AT_ONCE = 50;
const SLOW = 100;
const SEED = Number(process.env.ISTHMUS_FUZZ_SEED ?? Date.now() % 1_000_000);

/** A client's frame with the mask 0, which leaves the payload as it is. */
function frame(first: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 6 : 8);
  head[0] = first;
  head[1] = 0x80 | Math.min(payload.length, 126);
  if (payload.length >= 126) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

const handshake = (path: string, more = "") =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n${more}\r\n`;
const start = (spec: unknown) => frame(0x82, Buffer.concat([Buffer.of(channels.start), Buffer.from(JSON.stringify(spec))]));

type Case = (random: Random) => Buffer | string;
const exec = "/v1/machines/web/exec";

const cases: readonly Case[] = [
  (random) => random.bytes(1 + random.int(300)),
  () => "GET / HTTP/9.9\r\n\r\n",
  () => "GET /v1/health HTTP/1.1\n\n",
  () => "\r\n\r\n\r\n",
  (random) => "GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n".slice(0, random.int(40)),
  () =>
    "POST /v1/machines HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/version HTTP/1.1\r\n\r\n",
  () => "POST /v1/machines HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
  () => "POST /v1/machines HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
  () => "POST /v1/machines HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
  () => "POST /v1/machines HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n{}",
  () => 'POST /v1/machines HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"image":',
  () => `GET /v1/health HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(100_000)}\r\n\r\n`,
  () => `GET /${"y".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  () => `GET /v1/health HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(2500)}\r\n`,
  () => "GET /v1/health HTTP/1.1\r\nHost: x\r\nA\u0000B: c\r\n\r\n",
  () => "CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n",
  () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  () => handshake("/v1/nope"),
  () => handshake("/v1/health"),
  () => handshake(exec, "Origin: https://evil.example\r\n"),
  () => handshake(exec).replace("Version: 13", "Version: 1"),
  () => handshake(exec).replace(/Key: \S+/, "Key: x"),
  (random) => Buffer.concat([Buffer.from(handshake(exec)), random.bytes(1 + random.int(200))]),
  () => Buffer.concat([Buffer.from(handshake(exec)), Buffer.of(0x82, 2, 3, 123)]),
  () => Buffer.concat([Buffer.from(handshake(exec)), Buffer.of(0xf2, 0x80, 0, 0, 0, 0)]),
  () => Buffer.concat([Buffer.from(handshake(exec)), Buffer.of(0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0)]),
  () => Buffer.concat([Buffer.from(handshake(exec)), frame(0x81, Buffer.from("text"))]),
  () => Buffer.concat([Buffer.from(handshake(exec)), frame(0x82, Buffer.alloc(0))]),
  () => Buffer.concat([Buffer.from(handshake(exec)), frame(0x82, Buffer.of(99, 1, 2))]),
  () => Buffer.concat([Buffer.from(handshake(exec)), start({ command: [] })]),
  () => Buffer.concat([Buffer.from(handshake(exec)), start("nonsense"), start({ command: ["true"] })]),
  () =>
    Buffer.concat([Buffer.from(handshake(exec)), frame(0x82, Buffer.concat([Buffer.of(channels.resize), Buffer.from('{"columns":-1}')]))]),
  () =>
    Buffer.concat([
      Buffer.from(handshake(exec)),
      frame(0x82, Buffer.concat([Buffer.of(channels.signal), Buffer.from('{"signal":"NOPE"}')])),
    ]),
  () => Buffer.concat([Buffer.from(handshake("/v1/machines/nobody/exec")), start({ command: ["true"] })]),
  () => handshake("/v1/machines/web/attach"),
  () => Buffer.concat([Buffer.from(handshake("/v1/machines/web/attach?stdin=false")), frame(0x88, Buffer.of(3, 232))]),
];

/** Sends, hangs up in one of three ways, and resolves when the connection is gone. */
function attack(socketPath: string, bytes: Buffer | string, way: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath, () => {
      socket.write(bytes);
      if (way === 0) socket.end();
      else if (way === 1) setImmediate(() => socket.destroy());
      else setTimeout(() => socket.destroy(), 50);
    });
    socket.on("error", () => undefined);
    socket.resume();
    socket.once("close", () => resolve());
  });
}

function health(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    http
      .get({ socketPath, path: "/v1/health", agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
      .once("error", reject);
  });
}

/** A client that sends one header byte after another and never ends; resolves when the server has had enough. */
function slowloris(socketPath: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath, () => socket.write("GET /v1/health HTTP/1.1\r\nX: "));
    const drip = setInterval(() => socket.write("y"), 1000);
    socket.on("error", () => undefined);
    socket.resume();
    socket.once("close", () => {
      clearInterval(drip);
      resolve();
    });
  });
}

describe("garbage on the wire", () => {
  it(`leaves other clients alone and nothing open: ${CONNECTIONS} connections, seed ${SEED}`, { timeout: 300_000 }, async () => {
    await using t = await openDoor();
    await t.deps.machines.create({ image: "x", name: "web" }, { start: true });
    const random = new Random(SEED);
    const slow = Promise.all(Array.from({ length: SLOW }, () => slowloris(t.socketPath)));
    for (let sent = 0; sent < CONNECTIONS; sent += AT_ONCE) {
      const batch = Array.from({ length: AT_ONCE }, (_, index) => {
        const make = cases[(sent + index) % cases.length] ?? random.pick(cases);
        return attack(t.socketPath, make(random), random.int(3));
      });
      expect(await health(t.socketPath)).toBe(200);
      await Promise.all(batch);
    }
    await slow;
    const open = () => new Promise((resolve) => t.door.app.server.getConnections((_error, count) => resolve(count)));
    await expect.poll(open).toBe(0);
    expect(await health(t.socketPath)).toBe(200);
    expect(t.deps.faults).toEqual([]);
    for (const process of t.deps.machines.spawned) await process.exit;
  });
});
