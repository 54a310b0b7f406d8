import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import type { DecodedPacket } from "dns-packet";
import { DNS_PORT, DNS_UPSTREAM_MS } from "../config.ts";
import { isTruncated, type Query, question, rcodeOf, rcodes, readAnswer } from "./message.ts";

/** What a server answered. */
export interface Upstream {
  readonly bytes: Buffer;
  readonly packet: DecodedPacket;
}

type As = "whole" | "plain";

/** One try over UDP, from a port of its own. Undefined when nothing fitting came in time; what does not fit is passed over. */
function overUdp(server: string, query: Query, as: As): Promise<Upstream | undefined> {
  return new Promise((resolve) => {
    const id = randomInt(0x10000);
    const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
    const finish = (answer?: Upstream): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on("error", () => undefined);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(finish, DNS_UPSTREAM_MS);
    socket.on("error", () => finish());
    socket.on("message", (bytes) => {
      const packet = readAnswer(query, id, bytes);
      if (packet) finish({ bytes, packet });
      // Too much of an answer may be cut in the middle of a record.
      else if (bytes.length >= 12 && bytes.readUInt16BE(0) === id && isTruncated(bytes)) finish({ bytes, packet: {} as DecodedPacket });
    });
    // A connected socket takes answers of that server only.
    socket.connect(DNS_PORT, server, () => socket.send(question(query, id, as)));
  });
}

function overTcp(server: string, query: Query, as: As): Promise<Upstream | undefined> {
  return new Promise((resolve) => {
    const id = randomInt(0x10000);
    const socket = connect({ host: server, port: DNS_PORT });
    let held = Buffer.alloc(0);
    const finish = (answer?: Upstream): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(finish, DNS_UPSTREAM_MS);
    socket.on("error", () => finish());
    socket.on("close", () => finish());
    socket.on("connect", () => {
      const bytes = question(query, id, as);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      socket.write(Buffer.concat([length, bytes]));
    });
    socket.on("data", (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      if (held.length < 2 || held.length < 2 + held.readUInt16BE(0)) return;
      const bytes = held.subarray(2, 2 + held.readUInt16BE(0));
      const packet = readAnswer(query, id, bytes);
      finish(packet && { bytes, packet });
    });
  });
}

/** Asks one server after the other; over TCP what UDP has no room for. Undefined when none answers; a server that failed is used only when no other does better. */
export async function ask(servers: readonly string[], query: Query, as: As): Promise<Upstream | undefined> {
  let poor: Upstream | undefined;
  for (const server of servers) {
    const first = await overUdp(server, query, as);
    const answer = first && isTruncated(first.bytes) ? await overTcp(server, query, as) : first;
    if (!answer) continue;
    const rcode = rcodeOf(answer.bytes);
    if (rcode === rcodes.ok || rcode === rcodes.noName) return answer;
    poor ??= answer;
  }
  return poor;
}
