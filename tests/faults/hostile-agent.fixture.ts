import { existsSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Chance } from "../seeded.ts";

export const types = { hello: 1, request: 2, reply: 3, data: 4, credit: 5, exit: 6, event: 7 } as const;
export const LIMIT_BYTES = 65_536;
const HEADER_BYTES = 12;
const END = 0x80;
const STDOUT = 1;

/** A frame, with a `length` in its header that may be a lie. Written from docs/guest-protocol.md, not with the code under test. */
export function frame(type: number, stream: number, payload: Buffer | object, flags = 0, length?: number, reserved = 0): Buffer {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(length ?? bytes.length, 0);
  header.writeUInt8(type, 4);
  header.writeUInt8(flags, 5);
  header.writeUInt16LE(reserved, 6);
  header.writeUInt32LE(stream, 8);
  return Buffer.concat([header, bytes]);
}

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** What a hostile agent does with the request that came as stream `id`. `opened` is the answer that opens a stream. */
export interface Attack {
  readonly name: string;
  readonly bytes: (id: number, chance: Chance) => Buffer;
}

const opened = (id: number) => frame(types.reply, id, { ok: true, pid: 7 });
const none = Buffer.alloc(0);
const one = (name: string, bytes: Attack["bytes"]): Attack => ({ name, bytes });

/** Each breaks the protocol, and must cost the agent its channel. */
export const violations: readonly Attack[] = [
  one("garbage", (_id, chance) => Buffer.concat([Buffer.of(1, 2, 3, 255), chance.bytes(64 + chance.int(4000))])),
  ...[LIMIT_BYTES + 1, 0x7fff_ffff, 0xffff_ffff].map((length) =>
    one(`length ${length}`, (id) => frame(types.data, id, none, STDOUT, length)),
  ),
  ...[0, 8, 99, 255].map((type) => one(`type ${type}`, (id) => frame(type, id, none))),
  one("reserved bits", (id) => frame(types.data, id, none, STDOUT, undefined, 1)),
  one("unknown flags", (id) => frame(types.reply, id, { ok: true }, 0x40)),
  one("a request of its own", (id) => frame(types.request, id, { op: "exec" })),
  one("a second greeting", () => frame(types.hello, 0, { protocol: 1, session: 1, version: "x", state: "running" })),
  one("a reply to nothing", (id) => frame(types.reply, id + 77, { ok: true })),
  one("two replies", (id) => Buffer.concat([opened(id), opened(id)])),
  one("data on a stream that is not open", (id) => frame(types.data, id + 5, Buffer.from("x"), STDOUT)),
  one("the end of a stream that is not open", (id) => frame(types.exit, id + 5, { code: 0 })),
  one("two ends of a stream", (id) => Buffer.concat([opened(id), frame(types.exit, id, { code: 0 }), frame(types.exit, id, { code: 0 })])),
  one("a stream used again", (id) =>
    Buffer.concat([opened(id), frame(types.exit, id, { code: 0 }), frame(types.data, id, Buffer.from("again"), STDOUT)]),
  ),
  one("data after its end", (id) =>
    Buffer.concat([opened(id), frame(types.data, id, none, STDOUT | END), frame(types.data, id, Buffer.from("x"), STDOUT)]),
  ),
  one("data on stdin", (id) => Buffer.concat([opened(id), frame(types.data, id, Buffer.from("x"), 0)])),
  one("data on no channel", (id) => Buffer.concat([opened(id), frame(types.data, id, Buffer.from("x"), 3)])),
  one("credit without end", (id) =>
    Buffer.concat([opened(id), frame(types.credit, id, u32(0xffff_ffff)), frame(types.credit, id, u32(0xffff_ffff))]),
  ),
  one("credit of three bytes", (id) => frame(types.credit, id, Buffer.alloc(3))),
  one("no JSON", (id) => frame(types.reply, id, Buffer.from("{{{"))),
  one("JSON that is no object", (id) => frame(types.reply, id, Buffer.from("[1]"))),
  one("JSON of great depth", (id) => frame(types.reply, id, Buffer.from("[".repeat(60_000)))),
  one("an end without a code", (id) => Buffer.concat([opened(id), frame(types.exit, id, { code: "0" })])),
  one("an end that is no number", (id) => Buffer.concat([opened(id), frame(types.exit, id, Buffer.from('{"code":1e999}'))])),
];

/** Tiny frames that are allowed: on the stream `id`, which they open; about `count`. */
export function tiny(id: number, count: number, chance: Chance): Buffer {
  const kinds: readonly (() => Buffer)[] = [
    () => frame(types.data, id, none, STDOUT),
    () => frame(types.data, id, Buffer.from("."), STDOUT),
    () => frame(types.credit, id, u32(chance.int(3))),
    () => frame(types.credit, id + 9, u32(1)),
    () => frame(types.event, 0, { event: "unheard-of", n: chance.int(9) }),
  ];
  return Buffer.concat([opened(id), ...Array.from({ length: count }, () => kinds[chance.int(kinds.length)]?.() ?? none)]);
}

export type Answer = (request: { readonly op: string }, id: number, socket: Socket) => void;

/** Sits on a machine's agent socket in the place of its guest. */
export class HostileAgent implements AsyncDisposable {
  /** what is done with each request */
  answer: Answer = () => undefined;
  /** called with each connection instead of greeting, when present */
  greet: ((socket: Socket) => void) | undefined;
  connections = 0;
  /** settles when the host has closed the connection that is open now */
  closed: Promise<void> = Promise.resolve();
  readonly #server: Server;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string) {
    this.#path = path;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async on(path: string): Promise<HostileAgent> {
    if (existsSync(path)) rmSync(path);
    const agent = new HostileAgent(path);
    await new Promise<void>((resolve) => agent.#server.listen(path, resolve));
    return agent;
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
    let held = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= HEADER_BYTES && held.length >= HEADER_BYTES + held.readUInt32LE(0)) {
        const [type, id] = [held.readUInt8(4), held.readUInt32LE(8)];
        const payload = held.subarray(HEADER_BYTES, HEADER_BYTES + held.readUInt32LE(0));
        held = Buffer.from(held.subarray(HEADER_BYTES + payload.length));
        if (type === types.request) this.answer(JSON.parse(payload.toString()), id, socket);
      }
    });
    if (this.greet) this.greet(socket);
    else socket.write(greeting(this.connections));
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#path, { force: true });
  }
}

function greeting(session: number): Buffer {
  const hello = { protocol: 1, session, version: "0.1.0", state: "running", kernel: "\u001b[31m6.1" };
  return Buffer.concat([Buffer.from("ISTHMUS-AGENT/1\n"), frame(types.hello, 0, hello)]);
}
