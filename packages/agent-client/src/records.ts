import { RECORD_HEADER_BYTES, RECORD_PAYLOAD_BYTES, RECORDS_PASSED } from "./config.ts";

const MAGIC = Buffer.from("ILOG", "latin1");
const kindNumbers = { stdout: 1, stderr: 2, exit: 3, dropped: 4, start: 5 } as const;

export type RecordKind = keyof typeof kindNumbers;

const kindNames: ReadonlyMap<number, RecordKind> = new Map([
  [kindNumbers.stdout, "stdout"],
  [kindNumbers.stderr, "stderr"],
  [kindNumbers.exit, "exit"],
  [kindNumbers.dropped, "dropped"],
  [kindNumbers.start, "start"],
]);

/** A record of an output file; `end` is the offset after it in the buffer it was read from. */
export interface DecodedRecord {
  readonly kind: RecordKind;
  /** ns since 1970 */
  readonly timeNs: bigint;
  /** counts the records of one boot from 0 */
  readonly seq: number;
  /** shares memory with the buffer */
  readonly payload: Buffer;
  readonly end: number;
}

export interface DecodedRecords {
  readonly records: readonly DecodedRecord[];
  /** Offset of the first byte that was not used: a record that goes on beyond the buffer, or its torn tail. */
  readonly rest: number;
  /** Bytes that belong to no record: holes where the head was punched out, damage, and what a full disk left of a write that was tried again. */
  readonly skipped: number;
}

/**
 * Records that were passed lately, by their headers, which have time and number and so are never the same twice. A write of the VMM that met a full disk is
 * in the file in part, and once more, from its beginning, when there was room again: as many records as one write may hold are known.
 */
class Passed {
  readonly #headers: string[] = [];

  has(header: Buffer): boolean {
    return this.#headers.includes(header.toString("latin1"));
  }

  add(header: Buffer): void {
    this.#headers.push(header.toString("latin1"));
    if (this.#headers.length > RECORDS_PASSED) this.#headers.shift();
  }
}

/** One record as the agent writes it. */
export function encodeRecord(record: { kind: RecordKind; timeNs: bigint; seq: number; payload: Uint8Array }): Buffer {
  const bytes = Buffer.alloc(RECORD_HEADER_BYTES + record.payload.length);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(record.payload.length, 4);
  bytes.writeBigUInt64LE(record.timeNs, 8);
  bytes.writeUInt32LE(record.seq, 16);
  bytes.writeUInt8(kindNumbers[record.kind], 20);
  bytes.set(record.payload, RECORD_HEADER_BYTES);
  return bytes;
}

function headerAt(buffer: Buffer, at: number): { kind: RecordKind; length: number } | undefined {
  if (buffer.length - at < RECORD_HEADER_BYTES || MAGIC.compare(buffer, at, at + MAGIC.length) !== 0) return undefined;
  const length = buffer.readUInt32LE(at + 4);
  const kind = kindNames.get(buffer.readUInt8(at + 20));
  if (kind === undefined || length > RECORD_PAYLOAD_BYTES || buffer.readUInt16LE(at + 22) !== 0) return undefined;
  return { kind, length };
}

/** Offset at or after `from` where a record may begin; never passes over a magic that is cut by the end of the buffer. */
function nextCandidate(buffer: Buffer, from: number): number {
  const found = buffer.indexOf(MAGIC, from);
  if (found >= 0) return found;
  for (let kept = Math.min(MAGIC.length - 1, buffer.length - from); kept > 0; kept -= 1) {
    if (MAGIC.compare(buffer, buffer.length - kept, buffer.length, 0, kept) === 0) return buffer.length - kept;
  }
  return buffer.length;
}

/** Where within the record from `at` to `end` it, or one that was passed, begins again: it is torn there. -1 when it is whole. */
function tornAt(buffer: Buffer, at: number, end: number, passed: Passed): number {
  for (let found = buffer.indexOf(MAGIC, at + 1); found >= 0 && found < end; found = buffer.indexOf(MAGIC, found + 1)) {
    const header = buffer.subarray(found, found + RECORD_HEADER_BYTES);
    // Of a header that is cut itself only the beginning is its own.
    const own = Math.min(RECORD_HEADER_BYTES, found - at);
    const again = headerAt(buffer, found) !== undefined && header.compare(buffer, at, at + own, 0, own) === 0;
    if (again || passed.has(header)) return found;
  }
  return -1;
}

/**
 * All whole records in `buffer`, each once. Bytes that are no record (a punched hole, damage) are passed over up to the next record; never throws.
 * `passed` are the records that lie before.
 */
export function decodeRecords(buffer: Buffer, passed: Passed = new Passed()): DecodedRecords {
  const records: DecodedRecord[] = [];
  let at = 0;
  let skipped = 0;
  for (;;) {
    const start = nextCandidate(buffer, at);
    skipped += start - at;
    at = start;
    if (buffer.length - at < RECORD_HEADER_BYTES) return { records, rest: at, skipped };
    const header = headerAt(buffer, at);
    if (header === undefined) {
      at += 1;
      skipped += 1;
      continue;
    }
    const end = at + RECORD_HEADER_BYTES + header.length;
    if (end > buffer.length) return { records, rest: at, skipped };
    const torn = tornAt(buffer, at, end, passed);
    const own = buffer.subarray(at, at + RECORD_HEADER_BYTES);
    if (torn >= 0 || passed.has(own)) {
      const next = torn >= 0 ? torn : end;
      skipped += next - at;
      at = next;
      continue;
    }
    passed.add(own);
    records.push({
      kind: header.kind,
      timeNs: buffer.readBigUInt64LE(at + 8),
      seq: buffer.readUInt32LE(at + 16),
      payload: buffer.subarray(at + RECORD_HEADER_BYTES, end),
      end,
    });
    at = end;
  }
}

/** Records of a file that is read piece by piece; holds back less than one record. */
export class OutputRecordDecoder {
  readonly #passed = new Passed();
  #held: Buffer = Buffer.alloc(0);
  #offset: number;

  /** `offset`: place in the file of the first byte that will be pushed. */
  constructor(offset = 0) {
    this.#offset = offset;
  }

  /** Place in the file up to which records were given out. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes of a record whose end was not seen: what is torn when the file goes on no further. */
  get pendingBytes(): number {
    return this.#held.length;
  }

  /** The records that `chunk` completes; `end` is their offset in the file. They may share memory with `chunk`. */
  push(chunk: Buffer): readonly DecodedRecord[] {
    const buffer = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const { records, rest } = decodeRecords(buffer, this.#passed);
    const base = this.#offset;
    this.#held = Buffer.from(buffer.subarray(rest));
    this.#offset += rest;
    return records.map((record) => ({ ...record, end: base + record.end }));
  }
}
