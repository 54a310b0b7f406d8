import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { IsthmusError, type Volume, type VolumeSpec } from "@isthmus/contract";
import { namePattern } from "@isthmus/contract/schemas";
import type { VolumeActions, VolumeScope } from "@isthmus/core";

/** Volumes in memory, each with an archive for its content. */
export class FakeVolumes implements VolumeActions {
  readonly entries = new Map<string, Volume>();
  readonly content = new Map<string, Buffer>();

  async create({ name, sizeBytes = 1024, labels = {}, tenant }: VolumeSpec): Promise<Volume> {
    const known = name ?? `anonymous-${this.entries.size}`;
    if (!new RegExp(namePattern).test(known))
      throw new IsthmusError("INVALID_NAME", { field: "name", value: known, reason: "not of that form" });
    if (this.entries.has(known)) throw new IsthmusError("VOLUME_EXISTS", { name: known });
    const createdAt = new Date().toISOString();
    const about = { name: known, sizeBytes, usedBytes: 1, anonymous: name === undefined, labels, createdAt, usedBy: [] };
    const volume: Volume = tenant === undefined ? about : { ...about, tenant };
    this.entries.set(known, volume);
    return volume;
  }

  async list({ tenant }: VolumeScope = {}): Promise<readonly Volume[]> {
    return [...this.entries.values()].filter((volume) => (tenant ?? volume.tenant) === volume.tenant);
  }

  async get(name: string, { tenant }: VolumeScope = {}): Promise<Volume> {
    const found = this.entries.get(name);
    if (found === undefined || (tenant ?? found.tenant) !== found.tenant) throw new IsthmusError("VOLUME_NOT_FOUND", { name });
    return found;
  }

  async remove(name: string, scope?: VolumeScope): Promise<Volume> {
    const found = await this.get(name, scope);
    this.entries.delete(name);
    return found;
  }

  async prune({ all = false, tenant }: VolumeScope & { readonly all?: boolean } = {}): Promise<readonly Volume[]> {
    const unused = (await this.list({ tenant })).filter(({ anonymous }) => anonymous || all);
    for (const { name } of unused) this.entries.delete(name);
    return unused;
  }

  async export(name: string, scope?: VolumeScope): Promise<Readable> {
    await this.get(name, scope);
    return Readable.from([this.content.get(name) ?? Buffer.alloc(0)]);
  }

  async import(spec: VolumeSpec, archive: Readable): Promise<Volume> {
    const volume = await this.create(spec);
    this.content.set(volume.name, await buffer(archive));
    return volume;
  }
}
