import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { IsthmusError, type Volume, type VolumeSpec } from "@isthmus/contract";
import { namePattern } from "@isthmus/contract/schemas";
import type { VolumeActions } from "@isthmus/core";

/** Volumes in memory, each with an archive for its content. */
export class FakeVolumes implements VolumeActions {
  readonly entries = new Map<string, Volume>();
  readonly content = new Map<string, Buffer>();

  async create({ name, sizeBytes = 1024, labels = {} }: VolumeSpec): Promise<Volume> {
    const known = name ?? `anonymous-${this.entries.size}`;
    if (!new RegExp(namePattern).test(known))
      throw new IsthmusError("INVALID_NAME", { field: "name", value: known, reason: "not of that form" });
    if (this.entries.has(known)) throw new IsthmusError("VOLUME_EXISTS", { name: known });
    const createdAt = new Date().toISOString();
    const volume: Volume = { name: known, sizeBytes, usedBytes: 1, anonymous: name === undefined, labels, createdAt, usedBy: [] };
    this.entries.set(known, volume);
    return volume;
  }

  async list(): Promise<readonly Volume[]> {
    return [...this.entries.values()];
  }

  async get(name: string): Promise<Volume> {
    const found = this.entries.get(name);
    if (found === undefined) throw new IsthmusError("VOLUME_NOT_FOUND", { name });
    return found;
  }

  async remove(name: string): Promise<Volume> {
    const found = await this.get(name);
    this.entries.delete(name);
    return found;
  }

  async prune({ all = false }: { readonly all?: boolean } = {}): Promise<readonly Volume[]> {
    const unused = [...this.entries.values()].filter(({ anonymous }) => anonymous || all);
    for (const { name } of unused) this.entries.delete(name);
    return unused;
  }

  async export(name: string): Promise<Readable> {
    await this.get(name);
    return Readable.from([this.content.get(name) ?? Buffer.alloc(0)]);
  }

  async import(spec: VolumeSpec, archive: Readable): Promise<Volume> {
    const volume = await this.create(spec);
    this.content.set(volume.name, await buffer(archive));
    return volume;
  }
}
