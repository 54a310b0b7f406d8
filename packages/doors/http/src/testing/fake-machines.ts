import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import {
  type CloneSpec,
  can,
  type Event,
  type ExecSpec,
  type FileChange,
  IsthmusError,
  type Machine,
  type MachineAction,
  type MachineExit,
  type MachinePage,
  type MachineProcess,
  type MachineSpec,
  type MachineStats,
  type MachineUpdate,
  type Why,
} from "@isthmus/contract";
import type {
  CloneSource,
  CreateOptions,
  EventOptions,
  ListQuery,
  LogChunk,
  LogOptions,
  Machines,
  PathStat,
  StopOptions,
  WaitCondition,
  WaitOptions,
  WorkloadInput,
} from "@isthmus/core";
import { FakeLicences } from "./fake-licences.ts";
import { FakeNetworks } from "./fake-networks.ts";
import { FakeProcess } from "./fake-process.ts";
import { FakeQuotas } from "./fake-quotas.ts";
import { FakeSecrets } from "./fake-secrets.ts";
import { FakeSnapshots } from "./fake-snapshots.ts";
import { fakeStatus } from "./fake-status.ts";
import { FakeTemplates } from "./fake-templates.ts";
import { FakeVolumes } from "./fake-volumes.ts";

interface Entry {
  machine: Machine;
  readonly output: LogChunk[];
  /** where the output of the last start begins */
  latest: number;
  readonly ended: PromiseWithResolvers<MachineExit>;
  readonly more: Set<() => void>;
}

/** Machines in memory whose processes are processes of the host. What a test wants to see or to change is public. */
/** No route reaches it. */
const idleContention: Machines["contention"] = {
  machines: () => [],
  yielded: () => [],
  holdPools: async () => undefined,
  suspend: async () => undefined,
  resume: async () => undefined,
  evict: async () => undefined,
  refuse: () => undefined,
  note: () => undefined,
};

export class FakeMachines implements Machines {
  readonly entries = new Map<string, Entry>();
  readonly spawned: FakeProcess[] = [];
  readonly stored: Event[] = [];
  readonly archives = new Map<string, Buffer>();
  readonly stopped: StopOptions[] = [];
  readonly removals: object[] = [];
  /** thrown by `create` and `clone` when set */
  refusal: IsthmusError | undefined;
  /** thrown by `create` once the machine is written down, when set */
  startFailure: IsthmusError | undefined;
  /** what `create` was given */
  readonly createOptions: CreateOptions[] = [];
  /** signals given to `create`, `clone`, `resume`, `wait` and streams, to see them aborted */
  readonly signals: AbortSignal[] = [];
  readonly templates = new FakeTemplates();
  readonly volumes = new FakeVolumes();
  readonly networks = new FakeNetworks((ref) => this.get(ref));
  readonly quotas = new FakeQuotas();
  readonly secrets = new FakeSecrets();
  readonly host: Machines["host"] = { status: () => fakeStatus, census: () => [] };
  readonly contention = idleContention;
  readonly licences = new FakeLicences();
  readonly snapshots = new FakeSnapshots((ref) => this.#allow(this.get(ref), "snapshot"));
  readonly #keys = new Map<string, string>();

  async create(spec: MachineSpec, options: CreateOptions = {}): Promise<Machine> {
    if (this.refusal) throw this.refusal;
    if (options.signal) this.signals.push(options.signal);
    this.createOptions.push(options);
    const known = this.#keys.get(options.idempotencyKey ?? "");
    if (known !== undefined) {
      options.onCreated?.(known);
      return this.get(known);
    }
    const id = randomBytes(8).toString("hex");
    const now = new Date().toISOString();
    const machine: Machine = {
      id,
      name: spec.name ?? `fake-${id}`,
      state: options.start ? "running" : "requested",
      spec,
      imageDigest: `sha256:${"0".repeat(64)}`,
      argv: spec.command ?? ["sh"],
      isolation: "microvm",
      engine: "fake",
      accelerator: "tcg",
      ports: [],
      createdAt: now,
      restarts: 0,
      notes: [],
      timings: {},
    };
    this.entries.set(id, { machine, output: [], latest: 0, ended: Promise.withResolvers(), more: new Set() });
    if (options.idempotencyKey !== undefined) this.#keys.set(options.idempotencyKey, id);
    this.#event("machine.created", machine);
    options.onCreated?.(id);
    if (this.startFailure && options.start) {
      this.exit(id, { code: 1 });
      throw this.startFailure;
    }
    return machine;
  }

  get(ref: string, tenant?: string): Machine {
    return this.entry(ref, tenant).machine;
  }

  why(ref: string): Why {
    const { id, name, state } = this.get(ref);
    return { id, name, state, summary: `${name} is ${state}`, reasons: [] };
  }

  /** Throws MACHINE_NOT_FOUND. */
  entry(ref: string, tenant?: string): Entry {
    for (const entry of this.entries.values()) {
      const { id, name, spec } = entry.machine;
      if ((name === ref || id.startsWith(ref)) && (tenant ?? spec.tenant) === spec.tenant) return entry;
    }
    throw new IsthmusError("MACHINE_NOT_FOUND", { ref });
  }

  async list(query: ListQuery): Promise<MachinePage> {
    const all = [...this.entries.values()].map(({ machine }) => machine);
    const fitting = all.filter(
      (machine) =>
        (query.states?.includes(machine.state) ?? true) &&
        (query.names?.includes(machine.name) ?? true) &&
        (query.tenant ?? machine.spec.tenant) === machine.spec.tenant &&
        (query.labels ?? []).every(({ key, value }) =>
          value === undefined ? machine.spec.labels?.[key] !== undefined : machine.spec.labels?.[key] === value,
        ),
    );
    const from = Number(query.cursor ?? 0);
    const next = from + query.limit < fitting.length ? String(from + query.limit) : undefined;
    return { machines: fitting.slice(from, from + query.limit), ...(next === undefined ? {} : { next }) };
  }

  async sizes(): Promise<readonly { machine: Machine; sizeBytes: number }[]> {
    return [...this.entries.values()].map(({ machine }) => ({ machine, sizeBytes: 1000 }));
  }

  async update(ref: string, { resources: _, ...change }: MachineUpdate): Promise<Machine> {
    const entry = this.entry(ref);
    entry.machine = { ...entry.machine, spec: { ...entry.machine.spec, ...change } };
    return entry.machine;
  }

  async rename(ref: string, name: string): Promise<Machine> {
    const entry = this.entry(ref);
    entry.machine = { ...entry.machine, name };
    return entry.machine;
  }

  async processes(ref: string): Promise<readonly MachineProcess[]> {
    const { argv, createdAt } = this.get(ref);
    return [{ pid: 2, parent: 1, uid: 0, rssBytes: 4096, cpuMs: 5, startedAt: createdAt, command: argv.join(" ") }];
  }

  async changes(ref: string): Promise<readonly FileChange[]> {
    this.get(ref);
    return [{ kind: "A", path: "/srv/new" }];
  }

  counts(): Record<string, number> {
    return { running: this.entries.size };
  }

  imageHolder(): string | undefined {
    return undefined;
  }

  async start(ref: string): Promise<Machine> {
    const entry = this.entry(ref);
    entry.latest = entry.output.length;
    return this.#become(ref, "start", "running");
  }

  async stop(ref: string, options: StopOptions = {}): Promise<Machine> {
    this.stopped.push(options);
    return this.#finish(ref, "stop", { code: 143, signal: 15 });
  }

  async kill(ref: string, signal = "SIGKILL"): Promise<Machine> {
    return /KILL|^9$/.test(signal) ? this.#finish(ref, "kill", { code: 137, signal: 9, reason: "killed" }) : this.get(ref);
  }

  async pause(ref: string): Promise<Machine> {
    return this.#become(ref, "pause", "paused");
  }

  async unpause(ref: string): Promise<Machine> {
    return this.#become(ref, "unpause", "running");
  }

  async suspend(ref: string): Promise<Machine> {
    return this.#become(ref, "suspend", "suspended", { suspendedAt: new Date().toISOString() });
  }

  async resume(ref: string, options: WaitOptions = {}): Promise<Machine> {
    if (options.signal) this.signals.push(options.signal);
    return this.#become(ref, "resume", "running", { suspendedAt: undefined, startedFrom: "suspension" });
  }

  async clone(source: CloneSource, spec: CloneSpec = {}, options: WaitOptions = {}): Promise<readonly Machine[]> {
    const { count = 1, name } = spec;
    const original = "machine" in source ? this.#allow(this.get(source.machine), "clone") : await this.snapshots.get(source.snapshot);
    const clones: Machine[] = [];
    for (let index = 1; index <= count; index += 1) {
      const cloneName = name === undefined || count === 1 ? name : `${name}-${index}`;
      const made = await this.create({ ...original.spec, name: cloneName }, { start: true, signal: options.signal });
      const cloned: Machine = { ...made, clonedFrom: original.name, startedFrom: "snapshot", ports: spec.ports ?? [] };
      this.entry(made.id).machine = cloned;
      clones.push(cloned);
    }
    return clones;
  }

  async remove(ref: string, options: { readonly force?: boolean; readonly volumes?: boolean } = {}): Promise<void> {
    this.removals.push(options);
    const { machine } = this.entry(ref);
    if (!options.force) this.#allow(machine, "remove");
    this.entries.delete(machine.id);
  }

  async wait(ref: string, _condition?: WaitCondition, signal?: AbortSignal, tenant?: string): Promise<MachineExit | undefined> {
    if (signal) this.signals.push(signal);
    return await this.entry(ref, tenant).ended.promise;
  }

  /** Lets the machine's workload end. */
  exit(ref: string, exit: MachineExit): void {
    const entry = this.entry(ref);
    entry.machine = { ...entry.machine, state: "exited", exit };
    entry.ended.resolve(exit);
    for (const wake of entry.more) wake();
  }

  /** Lets the machine's workload write. */
  print(ref: string, stream: LogChunk["stream"], bytes: Buffer | string): void {
    const entry = this.entry(ref);
    entry.output.push({ stream, timeNs: BigInt(Date.now()) * 1_000_000n, bytes: Buffer.from(bytes), next: entry.output.length + 1 });
    for (const wake of entry.more) wake();
  }

  async exec(ref: string, spec: ExecSpec): Promise<FakeProcess> {
    this.#allow(this.get(ref), "exec");
    const process = new FakeProcess(spec);
    this.spawned.push(process);
    return process;
  }

  async attach(ref: string): Promise<WorkloadInput> {
    const { machine } = this.entry(ref);
    if (!machine.spec.stdin) throw new IsthmusError("NOT_INTERACTIVE", { name: machine.name });
    return {
      // An echo of what is typed, and an end at its end.
      write: async (bytes) => this.print(ref, "stdout", Buffer.from(bytes)),
      end: async () => this.exit(ref, { code: 0 }),
      resize: async (columns, rows) => this.print(ref, "stdout", `${columns}x${rows}`),
      signal: async (signal) => this.exit(ref, { code: 128 + signal, signal }),
      close: () => undefined,
    };
  }

  async *logs(ref: string, options: LogOptions = {}): AsyncGenerator<LogChunk, void, undefined> {
    const entry = this.entry(ref);
    if (options.signal) this.signals.push(options.signal);
    let wake = Promise.withResolvers<void>();
    const more = () => wake.resolve();
    entry.more.add(more);
    options.signal?.addEventListener("abort", more);
    try {
      const first = options.from ?? (options.latest ? entry.latest : 0);
      for (let at = options.tailLines === undefined ? first : Math.max(first, entry.output.length - options.tailLines); ; ) {
        const chunk = entry.output[at];
        if (options.signal?.aborted) return;
        if (chunk) {
          at += 1;
          if (chunk.stream === "system" || (options.streams?.includes(chunk.stream) ?? true)) yield chunk;
        } else if (!options.follow || entry.machine.state === "exited") return;
        else {
          await wake.promise;
          wake = Promise.withResolvers<void>();
        }
      }
    } finally {
      entry.more.delete(more);
    }
  }

  async stats(ref: string): Promise<MachineStats> {
    const machine = this.get(ref);
    this.#allow(machine, "stats");
    const memory = { totalBytes: 4, freeBytes: 3, availableBytes: 3, cachedBytes: 0 };
    const disk = { readBytes: 0, writtenBytes: 0, totalBytes: 1, freeBytes: 1 };
    const figures = { uptimeMs: 1, cpuMs: 1, hostCpuMs: 1, hostRssBytes: 1, memory, disk, net: { rxBytes: 0, txBytes: 0 }, processes: 1 };
    return { id: machine.id, name: machine.name, time: new Date().toISOString(), ...figures };
  }

  async putArchive(ref: string, path: string, archive: Readable): Promise<void> {
    if (path === "/missing") throw new IsthmusError("PATH_NOT_FOUND", { path, name: this.get(ref).name });
    const chunks: Buffer[] = [];
    for await (const chunk of archive) {
      if (path === "/refused") throw new IsthmusError("BAD_ARCHIVE", { reason: "it is refused after its first bytes" });
      chunks.push(chunk);
    }
    this.archives.set(path, Buffer.concat(chunks));
  }

  async getArchive(ref: string, path: string): Promise<Readable> {
    const bytes = this.archives.get(path);
    if (!bytes) throw new IsthmusError("PATH_NOT_FOUND", { path, name: this.get(ref).name });
    return Readable.from([bytes]).pipe(new PassThrough());
  }

  async statPath(ref: string, path: string): Promise<PathStat> {
    const bytes = this.archives.get(path);
    if (!bytes) throw new IsthmusError("PATH_NOT_FOUND", { path, name: this.get(ref).name });
    return { type: "directory", size: bytes.length, mode: 0o755 };
  }

  async *events(options: EventOptions = {}): AsyncGenerator<Event, void, undefined> {
    if (options.signal) this.signals.push(options.signal);
    const { tenant, machine } = options;
    if (machine !== undefined) this.get(machine, tenant);
    for (const event of this.stored) {
      const own = tenant === undefined || this.entries.get(event.machineId ?? "")?.machine.spec.tenant === tenant;
      if (own && event.seq > (options.afterSeq ?? 0)) yield event;
    }
    if (!options.follow) return;
    await new Promise((resolve) => options.signal?.addEventListener("abort", resolve));
  }

  async adoptAll() {
    return { adopted: 0, ended: 0, restarted: 0, unreachable: 0, orphansReaped: 0, foldersRemoved: 0 };
  }

  async close(): Promise<void> {}

  #allow(machine: Machine, action: MachineAction): Machine {
    if (can(action, machine.state)) return machine;
    throw new IsthmusError("STATE_CONFLICT", { action, name: machine.name, state: machine.state, allowed: "another state" });
  }

  #become(ref: string, action: MachineAction, state: Machine["state"], changes: Partial<Machine> = {}): Machine {
    const entry = this.entry(ref);
    entry.machine = { ...this.#allow(entry.machine, action), state, ...changes };
    return entry.machine;
  }

  #finish(ref: string, action: MachineAction, exit: MachineExit): Machine {
    this.#allow(this.get(ref), action);
    this.exit(ref, exit);
    return this.get(ref);
  }

  #event(type: string, machine: Machine): void {
    const seq = this.stored.length + 1;
    this.stored.push({ seq, time: new Date().toISOString(), type, machineId: machine.id, machineName: machine.name, details: {} });
  }
}
