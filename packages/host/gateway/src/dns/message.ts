import { type Answer, type DecodedPacket, decode, encode, type Packet } from "dns-packet";
import { DNS_UDP_BYTES, DNS_UDP_PLAIN_BYTES } from "../config.ts";

const HEADER_BYTES = 12;
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;
const CHECKING_DISABLED = 0x0010;
/** Extended DNS error "Blocked" (RFC 8914) */
const EDE_OPTION = 15;
const EDE_BLOCKED = 15;

/** Response codes (RFC 1035, RFC 2136). */
export const rcodes = { ok: 0, malformed: 1, failed: 2, noName: 3, unknown: 4, refused: 5 } as const;

/** A question that is well formed as far as it was read. */
export interface Query {
  readonly id: number;
  readonly flags: number;
  readonly name: string;
  /** small letters, no dot at the end */
  readonly plainName: string;
  readonly type: string;
  readonly bytes: Buffer;
  /** what the client takes over UDP */
  readonly udpBytes: number;
  readonly edns: boolean;
}

function decoded(bytes: Buffer): DecodedPacket | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

/** A header alone, with the id and question flags of a query: all that can be answered to what cannot be read. */
function headerOnly(bytes: Buffer, rcode: number): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES);
  reply.writeUInt16BE(bytes.readUInt16BE(0), 0);
  reply.writeUInt16BE(RESPONSE | (bytes.readUInt16BE(2) & (OPCODE | RECURSION_DESIRED)) | rcode, 2);
  return reply;
}

/** Reads a message of a client: a query, the reply that refuses it, or nothing for what deserves no reply. */
export function readQuery(bytes: Buffer): Query | Buffer | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const flags = bytes.readUInt16BE(2);
  if ((flags & RESPONSE) !== 0) return undefined;
  if ((flags & OPCODE) !== 0) return headerOnly(bytes, rcodes.unknown);
  const packet = decoded(bytes);
  const [question, more] = packet?.questions ?? [];
  if (!packet || !question || more || (packet.answers?.length ?? 0) > 0) return headerOnly(bytes, rcodes.malformed);
  if ((question.class ?? "IN") !== "IN") return headerOnly(bytes, rcodes.refused);
  // A name that is written another way than it was read (a dot or bytes that are no text in a label) would be one thing to the policy and another to the server that is asked.
  const again = encode({ questions: [question] }).subarray(HEADER_BYTES);
  if (!again.equals(bytes.subarray(HEADER_BYTES, HEADER_BYTES + again.length))) return headerOnly(bytes, rcodes.malformed);
  const opt = packet.additionals?.find((record) => record.type === "OPT");
  const udpBytes = opt?.type === "OPT" ? Math.min(Math.max(opt.udpPayloadSize, DNS_UDP_PLAIN_BYTES), DNS_UDP_BYTES) : DNS_UDP_PLAIN_BYTES;
  const { name } = question;
  return {
    id: bytes.readUInt16BE(0),
    flags,
    name,
    plainName: name.replace(/\.$/, "").toLowerCase(),
    type: question.type,
    bytes,
    udpBytes,
    edns: opt !== undefined,
  };
}

interface Told {
  readonly answers?: Answer[];
  readonly authorities?: Answer[];
  /** answered by us, not by a server that we asked */
  readonly ours?: boolean;
  /** it was refused by policy */
  readonly blocked?: boolean;
}

/** The reply to a query. Unknown kinds of records are written as they were read. */
export function reply(query: Query, rcode: number, told: Told = {}): Buffer {
  const options = told.blocked ? [{ code: EDE_OPTION, data: Buffer.from([EDE_BLOCKED >> 8, EDE_BLOCKED & 255]) }] : [];
  const opt = {
    type: "OPT",
    name: ".",
    udpPayloadSize: DNS_UDP_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options,
  };
  const flags = RECURSION_AVAILABLE | (query.flags & (RECURSION_DESIRED | CHECKING_DISABLED)) | (told.ours ? AUTHORITATIVE : 0) | rcode;
  return encode({
    type: "response",
    id: query.id,
    flags,
    // the types of the library know fewer kinds than it writes
    questions: [{ type: query.type, name: query.name, class: "IN" }],
    answers: told.answers ?? [],
    authorities: told.authorities ?? [],
    additionals: query.edns ? [opt] : [],
  } as Packet);
}

/** A reply as it may go over UDP: whole, or cut down to what says that it has to be asked for over TCP. */
export function forUdp(query: Query, bytes: Buffer): Buffer {
  if (bytes.length <= query.udpBytes) return bytes;
  const cut = reply(query, bytes.readUInt16BE(2) & 15);
  cut.writeUInt16BE(cut.readUInt16BE(2) | TRUNCATED, 2);
  return cut;
}

/** The question that a server is asked. `as` keeps all that the client said of it; without, only the name and type go out. */
export function question(query: Query, id: number, as: "whole" | "plain"): Buffer {
  if (as === "whole") {
    const bytes = Buffer.from(query.bytes);
    bytes.writeUInt16BE(id, 0);
    return bytes;
  }
  const opt = {
    type: "OPT",
    name: ".",
    udpPayloadSize: DNS_UDP_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  return encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type: query.type, name: query.name, class: "IN" }],
    additionals: [opt],
  } as Packet);
}

/** What a server said, when it is an answer to that question: same id, name and type. */
export function readAnswer(query: Query, id: number, bytes: Buffer): DecodedPacket | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== id || (bytes.readUInt16BE(2) & RESPONSE) === 0) return undefined;
  const packet = decoded(bytes);
  const [asked, more] = packet?.questions ?? [];
  if (!packet || !asked || more) return undefined;
  return asked.name.replace(/\.$/, "").toLowerCase() === query.plainName && asked.type === query.type ? packet : undefined;
}

export const isTruncated = (bytes: Buffer): boolean => (bytes.readUInt16BE(2) & TRUNCATED) !== 0;
export const rcodeOf = (bytes: Buffer): number => bytes.readUInt16BE(2) & 15;
