import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { IsthmusError, plainAddress } from "@isthmus/contract";
import {
  DNS_ANSWER_MS,
  DNS_MACHINE_QUERIES,
  DNS_PORT,
  DNS_QUERIES,
  DNS_TCP_CLIENTS,
  DNS_TCP_IDLE_MS,
  DNS_TCP_MACHINE_CLIENTS,
  LISTEN_RETRY_MS,
  LISTEN_TRIES,
} from "../config.ts";
import { Places } from "../places.ts";
import type { MachinePlan } from "../plan.ts";
import { forUdp, type Query, rcodes, readQuery, reply } from "./message.ts";

/** Answers a question of a machine. Rejections become failures of the server (SERVFAIL). */
export type Answering = (query: Query, plan: MachinePlan) => Promise<Buffer>;

export interface DnsParts {
  readonly answer: Answering;
  /** the machine that has an address, by the state in force */
  readonly machineAt: (address: string) => MachinePlan | undefined;
  readonly note: (text: string) => void;
}

/** `::ffff:10.0.0.1` of a socket that speaks both is 10.0.0.1. */
export function remoteAddress(text: string | undefined): string | undefined {
  return text === undefined ? undefined : plainAddress(text.replace(/^::ffff:(?=[\d.]+$)/, ""));
}

/** DNS over UDP and TCP on addresses of the gateway, for machines of the network only. */
export class DnsServer {
  readonly #parts: DnsParts;
  readonly #queries = new Places(DNS_QUERIES, DNS_MACHINE_QUERIES);
  readonly #clients = new Places(DNS_TCP_CLIENTS, DNS_TCP_MACHINE_CLIENTS);
  readonly #sockets = new Set<Socket>();
  readonly #open = new Map<string, readonly [UdpSocket, Server]>();

  constructor(parts: DnsParts) {
    this.#parts = parts;
  }

  /** Listens on these addresses and no others. Throws HOST_COMMAND_FAILED. */
  async listen(addresses: readonly string[]): Promise<void> {
    for (const address of this.#open.keys()) if (!addresses.includes(address)) this.#close(address);
    for (const address of addresses) if (!this.#open.has(address)) this.#open.set(address, await this.#listenOn(address));
  }

  close(): void {
    for (const address of this.#open.keys()) this.#close(address);
    for (const socket of this.#sockets) socket.destroy();
  }

  #close(address: string): void {
    const [udp, tcp] = this.#open.get(address) ?? [];
    udp?.close();
    tcp?.close();
    this.#open.delete(address);
  }

  async #listenOn(address: string): Promise<readonly [UdpSocket, Server]> {
    for (let left = LISTEN_TRIES; ; left -= 1) {
      const udp = createSocket({ type: address.includes(":") ? "udp6" : "udp4", ipv6Only: address.includes(":") });
      const tcp = createServer((socket) => this.#onClient(socket));
      try {
        await Promise.all([
          new Promise<void>((resolve, reject) => udp.once("error", reject).bind(DNS_PORT, address, resolve)),
          new Promise<void>((resolve, reject) => tcp.once("error", reject).listen(DNS_PORT, address, resolve)),
        ]);
        udp.removeAllListeners("error").on("error", (error) => this.#parts.note(`DNS on ${address}: ${error.message}`));
        tcp.removeAllListeners("error").on("error", (error) => this.#parts.note(`DNS on ${address}: ${error.message}`));
        udp.on("message", (bytes, from) => void this.#onDatagram(udp, bytes, from.address, from.port));
        return [udp, tcp];
      } catch (cause) {
        for (const one of [udp, tcp]) one.removeAllListeners("error").on("error", () => undefined);
        udp.close();
        tcp.close();
        const reason = cause instanceof Error ? cause.message : String(cause);
        if (left <= 1)
          throw new IsthmusError("HOST_COMMAND_FAILED", { program: "gateway", reason: `DNS on ${address}: ${reason}` }, { cause });
        await sleep(LISTEN_RETRY_MS);
      }
    }
  }

  /** The reply to a message of a machine, or nothing. Never rejects. */
  async #reply(bytes: Buffer, from: string | undefined): Promise<{ query?: Query; bytes: Buffer } | undefined> {
    const plan = from === undefined ? undefined : this.#parts.machineAt(from);
    if (!plan) return undefined;
    const query = readQuery(bytes);
    if (query === undefined) return undefined;
    if (Buffer.isBuffer(query)) return { bytes: query };
    if (!this.#queries.take(plan.machine.id)) return { query, bytes: reply(query, rcodes.failed) };
    const late = new AbortController();
    try {
      return { query, bytes: await Promise.race([this.#parts.answer(query, plan), this.#tooLate(query, late.signal)]) };
    } catch (error) {
      this.#parts.note(`DNS: ${error instanceof Error ? error.message : String(error)}`);
      return { query, bytes: reply(query, rcodes.failed) };
    } finally {
      late.abort();
      this.#queries.giveBack(plan.machine.id);
    }
  }

  async #tooLate(query: Query, signal: AbortSignal): Promise<Buffer> {
    await sleep(DNS_ANSWER_MS, undefined, { signal }).catch(() => undefined);
    return reply(query, rcodes.failed);
  }

  async #onDatagram(udp: UdpSocket, bytes: Buffer, from: string, port: number): Promise<void> {
    const answer = await this.#reply(bytes, remoteAddress(from));
    if (!answer) return;
    const out = answer.query ? forUdp(answer.query, answer.bytes) : answer.bytes;
    try {
      udp.send(out, port, from, () => undefined);
    } catch {
      // the socket was closed meanwhile: the network changed its addresses
    }
  }

  #onClient(socket: Socket): void {
    const from = remoteAddress(socket.remoteAddress);
    const machine = from === undefined ? undefined : this.#parts.machineAt(from)?.machine.id;
    socket.on("error", () => socket.destroy());
    if (machine === undefined || !this.#clients.take(machine)) return void socket.destroy();
    this.#sockets.add(socket);
    socket.setTimeout(DNS_TCP_IDLE_MS, () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#clients.giveBack(machine);
    });
    void this.#serve(socket, from);
  }

  /** One question after the other: a client that asks more waits. */
  async #serve(socket: Socket, from: string | undefined): Promise<void> {
    let held = Buffer.alloc(0);
    try {
      for await (const chunk of socket) {
        held = Buffer.concat([held, chunk]);
        while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
          const end = 2 + held.readUInt16BE(0);
          const answer = await this.#reply(Buffer.from(held.subarray(2, end)), from);
          held = Buffer.from(held.subarray(end));
          if (!answer) return void socket.destroy();
          const length = Buffer.alloc(2);
          length.writeUInt16BE(answer.bytes.length);
          socket.write(Buffer.concat([length, answer.bytes]));
        }
      }
    } catch {
      // the client went away
    }
    socket.destroy();
  }
}
