import { tarLimits } from "./config.ts";
import { badImage } from "./failures.ts";
import { applyPax, decodePax, type PaxRecords, paxXattrs } from "./pax.ts";
import { type ByteString, decodeHeader, entryTypes, type RawHeader, type TarEntry } from "./tar-header.ts";

const BLOCK = tarLimits.blockBytes;
const zeros = Buffer.alloc(BLOCK);

type Collecting = "pax" | "ignored" | "long-name" | "long-target";

const collectingFlags: Readonly<Record<string, Collecting>> = { x: "pax", g: "ignored", L: "long-name", K: "long-target" };

/**
 * Reads a tar pushed in pieces of any size and reports its entries with the place of their content. Content is passed over, or shown with its padding to
 * `onContent`, after its entry. Memory use is one extension header at most. Reads what Go's archive/tar reads, so that images mean here what they mean to containerd.
 */
export class TarReader {
  /** bytes of the tar that were pushed */
  position = 0;
  readonly #onEntry: (entry: TarEntry) => void;
  readonly #onContent: ((piece: Buffer) => void) | undefined;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  /** bytes to pass over before the next header */
  #skip = 0;
  /** how many of them, at their end, only fill up a block */
  #fill = 0;
  #collecting: { readonly kind: Collecting; readonly bytes: number } | undefined;
  #pax: PaxRecords | undefined;
  #longName: ByteString | undefined;
  #longTarget: ByteString | undefined;
  #zeroBlocks = 0;
  #headers = 0;

  constructor(onEntry: (entry: TarEntry) => void, onContent?: (piece: Buffer) => void) {
    this.#onEntry = onEntry;
    this.#onContent = onContent;
  }

  /** Throws BAD_IMAGE. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#zeroBlocks < 2) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#onContent?.(chunk.subarray(at, at + step));
        this.#skip -= step;
        this.position += step;
        at += step;
        continue;
      }
      const wanted = this.#collecting === undefined ? BLOCK : padded(this.#collecting.bytes);
      const piece = chunk.subarray(at, at + wanted - this.#partialBytes);
      at += piece.length;
      this.position += piece.length;
      const whole = this.#gather(piece, wanted);
      if (whole !== undefined) this.#take(whole);
    }
    this.position += chunk.length - at;
  }

  /** Throws BAD_IMAGE when the tar was cut off. A missing end mark is accepted, and so is a last file that does not fill its block, as `umoci insert` writes it. */
  end(): void {
    if (this.#skip > 0 && this.#skip <= this.#fill) {
      this.#onContent?.(Buffer.alloc(this.#skip));
      this.#skip = 0;
    }
    if (this.#skip > 0 || this.#partialBytes > 0 || this.#collecting !== undefined) throw badImage("the tar is cut off");
    if (this.#headers === 0 && this.#zeroBlocks === 0) throw badImage("the tar is empty");
    if (this.#pax !== undefined || this.#longName !== undefined || this.#longTarget !== undefined)
      throw badImage("the tar ends after an extension header");
  }

  #gather(piece: Buffer, wanted: number): Buffer | undefined {
    if (this.#partialBytes === 0 && piece.length === wanted) return piece;
    this.#partial.push(Buffer.from(piece));
    this.#partialBytes += piece.length;
    if (this.#partialBytes < wanted) return undefined;
    const whole = Buffer.concat(this.#partial);
    this.#partial = [];
    this.#partialBytes = 0;
    return whole;
  }

  #take(block: Buffer): void {
    const collecting = this.#collecting;
    if (collecting !== undefined) {
      this.#collecting = undefined;
      this.#extend(collecting.kind, block.subarray(0, collecting.bytes));
      return;
    }
    if (block.equals(zeros)) {
      this.#zeroBlocks += 1;
      return;
    }
    if (this.#zeroBlocks > 0) throw badImage("the tar goes on after its end mark");
    this.#headers += 1;
    this.#header(decodeHeader(block));
  }

  #header(header: RawHeader): void {
    const kind = collectingFlags[header.flag];
    if (kind !== undefined) {
      if (header.size < 0 || header.size > tarLimits.paxBytes) throw badImage("an extension header is too large");
      if (header.size === 0) this.#extend(kind, Buffer.alloc(0));
      else this.#collecting = { kind, bytes: header.size };
      return;
    }
    this.#entry(header);
  }

  #extend(kind: Collecting, bytes: Buffer): void {
    if (kind === "pax") this.#pax = decodePax(bytes);
    else if (kind === "long-name") this.#longName = untilNul(bytes);
    else if (kind === "long-target") this.#longTarget = untilNul(bytes);
  }

  #entry(header: RawHeader): void {
    if (this.#longName !== undefined) header.name = this.#longName;
    if (this.#longTarget !== undefined) header.target = this.#longTarget;
    const pax = this.#pax;
    this.#longName = undefined;
    this.#longTarget = undefined;
    this.#pax = undefined;
    if (pax !== undefined) applyPax(header, pax);
    if (header.flag === "S" || pax?.has("GNU.sparse.major") === true || pax?.has("GNU.sparse.map") === true)
      throw badImage(`sparse files are not understood (${printable(header.name)}); make the tar without --sparse`);
    // A volume label is no file.
    if (header.flag === "V") return;
    const type = header.flag === "0" && header.name.endsWith("/") ? "directory" : entryTypes[header.flag];
    if (type === undefined) throw badImage(`a tar entry has the unknown type ${JSON.stringify(header.flag)}`);
    if (!Number.isSafeInteger(header.size) || header.size < 0) throw badImage("a tar header has a size out of range");
    const size = type === "file" ? header.size : 0;
    this.#skip = padded(size);
    this.#fill = this.#skip - size;
    const { flag: _, ...fields } = header;
    this.#onEntry({ ...fields, type, size, offset: this.position, xattrs: pax === undefined ? undefined : paxXattrs(pax) });
  }
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}

function untilNul(bytes: Buffer): ByteString {
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end === -1 ? bytes.length : end);
}

/** A name for messages: bounded and without control characters. */
export function printable(name: ByteString): string {
  const text = Buffer.from(name.slice(0, 100), "latin1").toString("utf8");
  return JSON.stringify(text);
}
