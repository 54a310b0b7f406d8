/** What the beginning of a connection says: more is to come, it is not TLS, or the name of the server that it is for (RFC 6066), if it gives one. */
export type Hello = { readonly kind: "more" } | { readonly kind: "other" } | { readonly kind: "hello"; readonly name: string | undefined };

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const RECORD_HEADER = 5;
/** RFC 8446, 5.1 */
const RECORD_MOST = 16_384 + 256;

const more: Hello = { kind: "more" };
const other: Hello = { kind: "other" };

/** Reads numbers and pieces one after the other; what goes beyond the end is not there. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: 1 | 2 | 3): number | undefined {
    if (this.left < size) return undefined;
    this.#at += size;
    return this.#bytes.readUIntBE(this.#at - size, size);
  }

  piece(size: number | undefined): Buffer | undefined {
    if (size === undefined || this.left < size) return undefined;
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}

/** The handshake bytes of the records at the beginning, and whether all that was there were such records. */
function handshake(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== HANDSHAKE || (bytes[at + 1] ?? 3) !== 3) return undefined;
    if (bytes.length - at < RECORD_HEADER) break;
    const size = bytes.readUInt16BE(at + 3);
    if (size === 0 || size > RECORD_MOST) return undefined;
    parts.push(bytes.subarray(at + RECORD_HEADER, Math.min(at + RECORD_HEADER + size, bytes.length)));
    at += RECORD_HEADER + size;
    const first = Buffer.concat(parts);
    // Behind the first message may come others, which are none of our concern.
    if (first.length >= 4 && first.length >= 4 + first.readUIntBE(1, 3)) return first;
  }
  return Buffer.concat(parts);
}

function serverName(extension: Buffer): string | undefined {
  const reader = new Reader(extension);
  const list = new Reader(reader.piece(reader.number(2)) ?? Buffer.alloc(0));
  // A second name of the same kind is forbidden: which one a server would take is anybody's guess.
  if (list.number(1) !== HOST_NAME) return undefined;
  const name = list.piece(list.number(2));
  return name && list.left === 0 && reader.left === 0 ? name.toString("latin1") : undefined;
}

function nameOf(body: Buffer): Hello {
  const hello = new Reader(body);
  hello.piece(2 + 32);
  hello.piece(hello.number(1));
  hello.piece(hello.number(2));
  hello.piece(hello.number(1));
  const bytes = hello.piece(hello.number(2));
  if (!bytes) return { kind: "hello", name: undefined };
  const extensions = new Reader(bytes);
  const names: (string | undefined)[] = [];
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const extension = extensions.piece(extensions.number(2));
    if (!extension) return other;
    if (type === SERVER_NAME) names.push(serverName(extension));
  }
  return { kind: "hello", name: names.length === 1 ? names[0]?.toLowerCase() : undefined };
}

/** Reads the first bytes of a connection as TLS's ClientHello, in one record or several. */
export function readHello(bytes: Buffer): Hello {
  const message = handshake(bytes);
  if (!message) return other;
  if (message.length > 0 && message[0] !== CLIENT_HELLO) return other;
  if (message.length < 4) return more;
  const size = message.readUIntBE(1, 3);
  return message.length < 4 + size ? more : nameOf(message.subarray(4, 4 + size));
}
