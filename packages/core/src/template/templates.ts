import { hasCode, IsthmusError, type Template } from "@isthmus/contract";
import type { Clock, Cloning, Engine, Log } from "../machine/ports.ts";
import { QUARANTINE_MS, TEMPLATES_MAX, TEMPLATES_MAX_BYTES, USE_NOTED_MS } from "./config.ts";
import { endLeftovers } from "./leftovers.ts";
import type { TemplateFolders } from "./ports.ts";
import type { GuestShape, Making, TemplateShape } from "./shape.ts";

export interface TemplatesParts {
  readonly folders: TemplateFolders;
  readonly clock: Clock;
  readonly log: Log;
  /** false: every machine boots */
  readonly enabled?: boolean;
}

/** A template that can be cloned from now, with the disk that its clones get copies of, or why there is none. */
export type TemplateAnswer =
  | { readonly key: string; readonly folder: string; readonly diskPath: string }
  | { readonly key: string; readonly without: string };

/** Which engine, image and shape a template is for. */
export interface TemplateRequest {
  readonly cloning: Cloning;
  readonly shape: GuestShape;
  readonly imageDigest: string;
}

/** The templates of this host: made when first needed, forgotten when others are needed more, set aside when they fail. */
export class Templates {
  readonly #parts: TemplatesParts;
  readonly #known = new Map<string, Template>();
  readonly #making = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  readonly #cleared = Promise.withResolvers<void>();
  #loaded: Promise<void> | undefined;

  constructor(parts: TemplatesParts) {
    this.#parts = parts;
  }

  /** Newest use first. */
  async list(): Promise<readonly Template[]> {
    await this.#load();
    return [...this.#known.values()].sort((a, b) => b.usedAt.localeCompare(a.usedAt));
  }

  /**
   * The template for a shape, made now when there is none: one making serves all who wait, and goes on when one of them gives up. Never throws TEMPLATE_FAILED
   * or DISK_FULL: a machine that cannot be cloned boots.
   */
  async acquire(request: TemplateRequest, signal: AbortSignal): Promise<TemplateAnswer | undefined> {
    if (this.#parts.enabled === false) return undefined;
    await this.#load();
    const shape = await request.cloning.shape(request.shape);
    const { key } = shape;
    const retryMs = Date.parse(this.#known.get(key)?.failedAt ?? "") + QUARANTINE_MS;
    if (retryMs <= this.#parts.clock.now()) await this.#forget(key);
    if (!this.#known.has(key)) await orAborted(this.#made(request, shape), signal);
    const template = this.#known.get(key);
    if (template?.state !== "ready") return { key, without: template?.reason ?? "it was removed meanwhile" };
    this.#used(template);
    return { key, folder: this.folder(key), diskPath: this.diskPath(key) };
  }

  /** Throws TEMPLATE_NOT_FOUND. */
  get(key: string): Template {
    const template = this.#known.get(key);
    if (template === undefined) throw new IsthmusError("TEMPLATE_NOT_FOUND", { ref: key });
    return template;
  }

  folder(key: string): string {
    return this.#parts.folders.folder(key);
  }

  /** See `TemplateFolders`. */
  diskPath(key: string): string {
    return this.#parts.folders.diskPath(key);
  }

  /** A ready template of this shape, without making one. */
  ready(key: string): boolean {
    return this.#known.get(key)?.state === "ready";
  }

  /** No machine is cloned from it any more, until the shape is tried anew. */
  async quarantine(key: string, cause: unknown): Promise<void> {
    const template = this.#known.get(key);
    if (template?.state !== "ready") return;
    const { message } = IsthmusError.from(cause);
    this.#parts.log.warn({ template: key, err: cause }, "a template cannot be used");
    await this.#keep({ ...template, state: "quarantined", reason: message, failedAt: this.#now() });
  }

  /** By key or a prefix of it, 4 characters at least. Throws TEMPLATE_NOT_FOUND. */
  async remove(ref: string): Promise<Template> {
    await this.#load();
    const found = [...this.#known.values()].filter(({ key }) => ref.length >= 4 && key.startsWith(ref));
    const [template] = found;
    if (template === undefined || found.length > 1) throw new IsthmusError("TEMPLATE_NOT_FOUND", { ref });
    await this.#forget(template.key);
    return template;
  }

  /** Removes those that were not used for `unusedMs`, quarantined ones too. */
  async prune(unusedMs: number): Promise<readonly Template[]> {
    await this.#load();
    const before = this.#parts.clock.now() - unusedMs;
    const removed = [...this.#known.values()].filter(({ state, usedAt }) => state === "quarantined" || Date.parse(usedAt) <= before);
    for (const { key } of removed) await this.#forget(key);
    return removed;
  }

  /** Ends what an earlier daemon left half-made: called once; nothing is made before. */
  async clear(engines: readonly Engine[]): Promise<void> {
    const { folders, log } = this.#parts;
    try {
      await endLeftovers(engines, folders.root, folders.folder);
    } catch (error) {
      log.warn({ err: error }, "what an earlier daemon left of templates could not be ended");
    }
    this.#cleared.resolve();
  }

  /** Lets go of a making in progress. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#making.values());
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#cleared.promise
      .then(() => this.#parts.folders.load())
      .then((found) => {
        for (const template of found) this.#known.set(template.key, template);
      });
    return this.#loaded;
  }

  #made(request: TemplateRequest, shape: TemplateShape): Promise<void> {
    const inProgress = this.#making.get(shape.key);
    if (inProgress !== undefined) return inProgress;
    const making = this.#make(request, shape).finally(() => this.#making.delete(shape.key));
    this.#making.set(shape.key, making);
    making.catch(() => {});
    return making;
  }

  async #make(request: TemplateRequest, shape: TemplateShape): Promise<void> {
    const { folders, log } = this.#parts;
    const began = this.#parts.clock.now();
    const about = this.#about(request, shape);
    let making: Making | undefined;
    try {
      making = await folders.begin(request.shape.keptDisk ? undefined : request.shape.diskBytes);
      const { sizeBytes } = await request.cloning.make(request.shape, making, this.#stop.signal);
      const template: Template = { ...about, state: "ready", sizeBytes };
      await folders.commit(making, template);
      this.#known.set(shape.key, template);
      log.info({ template: shape.key, sizeBytes, ms: this.#parts.clock.now() - began }, "a template was made");
      await this.#evict(shape.key);
    } catch (error) {
      if (making !== undefined)
        await folders.discard(making).catch((cause) => log.warn({ err: cause }, "a half-made template was left behind"));
      if (hasCode(error, "CANCELLED")) throw error;
      log.warn({ template: shape.key, err: error }, "a template could not be made; machines of its shape boot");
      const reason = IsthmusError.from(error).message;
      this.#known.set(shape.key, { ...about, state: "quarantined", sizeBytes: 0, reason, failedAt: this.#now() });
    }
  }

  #about({ shape, imageDigest }: TemplateRequest, { key, accelerator, parts }: TemplateShape) {
    const { cpus, memoryBytes, diskBytes, network } = shape;
    const engine = String(parts.engine ?? "");
    const now = this.#now();
    return { key, imageDigest, engine, accelerator, cpus, memoryBytes, diskBytes, network, createdAt: now, usedAt: now, clones: 0 };
  }

  #used(template: Template): void {
    const usedAt = this.#now();
    const noted = Date.parse(usedAt) - Date.parse(template.usedAt) < USE_NOTED_MS && template.clones > 0;
    const next = { ...template, clones: template.clones + 1, usedAt: noted ? template.usedAt : usedAt };
    this.#known.set(template.key, next);
    if (!noted) this.#parts.folders.update(next).catch((cause) => this.#parts.log.warn({ err: cause }, "a template's use was not noted"));
  }

  async #keep(template: Template): Promise<void> {
    this.#known.set(template.key, template);
    await this.#parts.folders.update(template).catch((cause) => this.#parts.log.warn({ err: cause }, "a template's state was not noted"));
  }

  async #forget(key: string): Promise<void> {
    this.#known.delete(key);
    await this.#parts.folders.remove(key);
  }

  async #evict(newest: string): Promise<void> {
    const oldestFirst = [...(await this.list())].reverse().filter(({ key }) => key !== newest);
    let count = this.#known.size;
    let bytes = [...this.#known.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { key, sizeBytes } of oldestFirst) {
      if (count <= TEMPLATES_MAX && bytes <= TEMPLATES_MAX_BYTES) return;
      count -= 1;
      bytes -= sizeBytes;
      this.#parts.log.info({ template: key, sizeBytes }, "a template was given up for newer ones");
      await this.#forget(key);
    }
  }

  #now(): string {
    return new Date(this.#parts.clock.now()).toISOString();
  }
}

/** Rejects with CANCELLED when the signal aborts first; the work goes on. */
async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new IsthmusError("CANCELLED", { what: "the start" }));
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
