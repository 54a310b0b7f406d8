import { IsthmusError } from "@isthmus/contract";
import { SNAPSHOTS_MAX } from "./config.ts";
import type { SnapshotFolders, SnapshotRecord } from "./ports.ts";

/** A snapshot and where it lies. */
export interface SavedSnapshot {
  readonly record: SnapshotRecord;
  readonly folder: string;
  readonly diskPath: string;
}

/** The snapshots of this host: what their folders hold. */
export class Snapshots {
  readonly folders: SnapshotFolders;
  readonly #known = new Map<string, SnapshotRecord>();
  /** without a name and in no list, by id: for clones that are being made of a running machine */
  readonly #passing = new Map<string, SavedSnapshot>();
  /** names of those that are being taken */
  readonly #reserved = new Set<string>();
  #loaded: Promise<void> | undefined;

  constructor(folders: SnapshotFolders) {
    this.folders = folders;
  }

  /** What there is, read once. */
  load(): Promise<void> {
    this.#loaded ??= this.folders.load().then((found) => {
      for (const record of found) this.#known.set(record.snapshot.id, record);
    });
    return this.#loaded;
  }

  /** Newest first. */
  async list(): Promise<readonly SnapshotRecord[]> {
    await this.load();
    return [...this.#known.values()].sort((a, b) => b.snapshot.createdAt.localeCompare(a.snapshot.createdAt));
  }

  /** By id, name, or a prefix of the id of 4 characters at least. Throws SNAPSHOT_NOT_FOUND. */
  async get(ref: string): Promise<SnapshotRecord> {
    const all = await this.list();
    const exact = all.find(({ snapshot }) => snapshot.id === ref || snapshot.name === ref);
    const begun = ref.length >= 4 ? all.filter(({ snapshot }) => snapshot.id.startsWith(ref)) : [];
    const found = exact ?? (begun.length === 1 ? begun[0] : undefined);
    if (found === undefined) throw new IsthmusError("SNAPSHOT_NOT_FOUND", { ref });
    return found;
  }

  has(name: string): boolean {
    return this.#reserved.has(name) || [...this.#known.values()].some(({ snapshot }) => snapshot.name === name);
  }

  /** Holds a name until `release`: of two who want it one wins. Throws SNAPSHOT_NAME_TAKEN, NO_CAPACITY. */
  reserve(name: string): { release(): void } {
    if (this.has(name)) throw new IsthmusError("SNAPSHOT_NAME_TAKEN", { name });
    if (this.#known.size + this.#reserved.size >= SNAPSHOTS_MAX)
      throw new IsthmusError("NO_CAPACITY", { what: "one more snapshot", needed: 1, free: 0 });
    this.#reserved.add(name);
    return { release: () => this.#reserved.delete(name) };
  }

  async commit(folder: string, record: SnapshotRecord): Promise<void> {
    await this.folders.commit(folder, record);
    this.#known.set(record.snapshot.id, record);
  }

  /** A snapshot that is there only until the returned function is called. */
  pass(record: SnapshotRecord, folder: string): () => Promise<void> {
    this.#passing.set(record.snapshot.id, { record, folder, diskPath: this.folders.diskIn(folder) });
    return async () => {
      this.#passing.delete(record.snapshot.id);
      await this.folders.discard(folder);
    };
  }

  /** What machines are cloned from. Throws SNAPSHOT_NOT_FOUND. */
  async saved(id: string): Promise<SavedSnapshot> {
    const passing = this.#passing.get(id);
    if (passing !== undefined) return passing;
    await this.load();
    const record = this.#known.get(id);
    if (record === undefined) throw new IsthmusError("SNAPSHOT_NOT_FOUND", { ref: id });
    const folder = this.folders.folder(id);
    return { record, folder, diskPath: this.folders.diskIn(folder) };
  }

  async remove(id: string): Promise<void> {
    this.#known.delete(id);
    await this.folders.remove(id);
  }

  /** Name of a snapshot of a machine of this image. */
  imageHolder(digest: string): string | undefined {
    return [...this.#known.values()].find(({ snapshot }) => snapshot.imageDigest === digest)?.snapshot.name;
  }
}
