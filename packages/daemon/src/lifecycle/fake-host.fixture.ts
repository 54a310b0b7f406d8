import { Readable } from "node:stream";
import { type Image, IsthmusError, type Resources } from "@isthmus/contract";
import type {
  CaptureFacts,
  Clock,
  Engine,
  EngineEnd,
  GuestStream,
  LiveMachine,
  MachineFolders,
  NicPlace,
  OutputFiles,
  OutputRecord,
  SavedFolders,
  SnapshotFolders,
  SnapshotRecord,
  StartPlan,
  StoredVolume,
} from "@isthmus/core";

/** An engine process: it outlives the daemon, as real ones do. */
export interface FakeProcess {
  readonly pid: number;
  readonly plan: StartPlan;
  readonly ended: PromiseWithResolvers<EngineEnd>;
  paused: boolean;
  /** does not answer, as after SIGSTOP */
  hung: boolean;
  /** takes no notice of an orderly stop */
  stubborn: boolean;
  limits?: Resources;
  /** its network as the guest sees it: since its start, or without a link */
  place: NicPlace | "as it started" | "no link";
  /** the workload was started; before that a start can be cut short */
  complete: boolean;
  /** it goes on from a saved guest, which is in memory */
  restoring: boolean;
}

export interface FakeRun {
  readonly output: string;
  readonly code: number | undefined;
}

async function fakeExec({ output, code }: FakeRun): Promise<GuestStream> {
  const ended = Promise.withResolvers<{ readonly code: number }>();
  if (code !== undefined) ended.resolve({ code });
  const nothing = async () => {};
  return {
    pid: 1,
    stdout: Readable.from([Buffer.from(output)]),
    stderr: Readable.from([]),
    exit: ended.promise,
    write: nothing,
    end: nothing,
    resize: nothing,
    signal: async (signal) => ended.resolve({ code: 128 + signal }),
    close() {},
  };
}

/** What is outside the daemon: processes, folders, output files. Pure logic and races are what the fake is for; real engines have tests of their own. */
export class FakeHost {
  readonly processes = new Map<string, FakeProcess>();
  readonly folders = new Set<string>();
  /** the removal of a folder takes until this settles */
  folderRemoval: Promise<void> = Promise.resolve();
  readonly disks = new Set<string>();
  readonly saved = new Map<string, CaptureFacts>();
  readonly snapshots = new Map<string, SnapshotRecord>();
  readonly volumes = new Map<string, StoredVolume>();
  readonly outputs = new Map<string, OutputRecord[]>();
  bootId = "boot-1";
  /** what commands in guests say and end with; undefined: never */
  runs: ((id: string, command: readonly string[]) => FakeRun) | undefined;
  /** what the next starts meet: an error is thrown, `hang` waits for the abort */
  nextStarts: (IsthmusError | "hang")[] = [];
  /** what saving a guest fails with */
  captureFails: IsthmusError | undefined;
  /** what guests boot with */
  leastMemoryBytes = 0;
  secondCopies = 0;
  #pid = 1000;

  spawn(plan: StartPlan): FakeProcess {
    if (this.processes.has(plan.id)) this.secondCopies += 1;
    this.#pid += 1;
    const ended = Promise.withResolvers<EngineEnd>();
    const place = "as it started" as const;
    const process: FakeProcess = {
      pid: this.#pid,
      plan,
      ended,
      place,
      paused: false,
      hung: false,
      stubborn: false,
      complete: false,
      restoring: false,
    };
    this.processes.set(plan.id, process);
    return process;
  }

  /** The process is gone; without `exit` it leaves no exit record. */
  end(id: string, exit?: { code: number; signal?: number }): void {
    const process = this.processes.get(id);
    if (!process) return;
    this.processes.delete(id);
    if (exit) this.write(process.plan.outputPath, "exit", JSON.stringify(exit));
    process.ended.resolve({});
  }

  reboot(): void {
    for (const id of [...this.processes.keys()]) this.end(id);
    this.bootId = `boot-${Number(this.bootId.slice(5)) + 1}`;
  }

  write(path: string, kind: OutputRecord["kind"], text: string): void {
    const records = this.outputs.get(path) ?? [];
    records.push({ kind, timeNs: BigInt(records.length), payload: Buffer.from(text), nextOffset: records.length + 1 });
    this.outputs.set(path, records);
  }
}

/** Time that passes when a test says so. */
export class FakeClock implements Clock {
  #now = 1_800_000_000_000;
  readonly #timers = new Set<{ at: number; action: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): () => void {
    const timer = { at: this.#now + ms, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers of a daemon that died are gone. */
  forget(): void {
    this.#timers.clear();
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.action();
      await quiet();
    }
    this.#now = until;
    await quiet();
  }
}

/** Lets everything that waits for nothing outside run to its end. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

export function fakeEngine(host: FakeHost): Engine {
  return {
    name: "fake",
    isolation: "microvm",
    async checkMemory({ memoryBytes: value }) {
      if (value < host.leastMemoryBytes) throw new IsthmusError("INVALID_REQUEST", { field: "memoryBytes", value, reason: "too little" });
    },
    async start(plan, signal) {
      const next = host.nextStarts.shift();
      if (next instanceof IsthmusError) throw next;
      const process = host.spawn(plan);
      if (next === "hang") await aborted(signal).finally(() => host.end(plan.id));
      await Promise.resolve();
      process.complete = true;
      host.write(plan.outputPath, "start", "{}");
      return live(host, process);
    },
    saving: {
      refusal: async () => undefined,
      async restore(plan, saved) {
        await saved.beforePorts?.();
        const process = host.spawn(plan);
        process.restoring = true;
        await saved.before?.();
        process.complete = true;
        return live(host, process);
      },
    },
    async adopt(plan, _signal, before) {
      const process = host.processes.get(plan.id);
      if (process?.restoring === true && !process.complete) {
        await before?.();
        process.complete = true;
      }
      if (process?.hung) throw new IsthmusError("AGENT_UNREACHABLE", { name: plan.name, reason: "it hangs" });
      if (!process?.complete) return undefined;
      return live(host, process);
    },
    async processes() {
      return Array.from(host.processes, ([machineId, { pid }]) => ({ pid, machineId }));
    },
    async reap(pid, folder) {
      for (const [id, process] of host.processes) if (process.pid === pid && process.plan.folder === folder) host.end(id);
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function live(host: FakeHost, process: FakeProcess): LiveMachine {
  const { id } = process.plan;
  const unused = async () => {
    throw new IsthmusError("INTERNAL", { reason: "not part of this test" });
  };
  return {
    pid: process.pid,
    accelerator: "tcg",
    ports: process.plan.network === "bridge" ? [] : process.plan.ports,
    notes: [],
    timings: { spawn: 1 },
    ended: process.ended.promise,
    get paused() {
      return process.paused;
    },
    exec: (spec) => (host.runs ? fakeExec(host.runs(id, spec.command)) : unused()),
    attach: unused,
    stats: unused,
    putArchive: async (_, archive) => void archive.resume(),
    getArchive: async () => Readable.from(["archive"]),
    processes: unused,
    changes: unused,
    statPath: unused,
    async signalWorkload(signal) {
      host.end(id, { code: 128 + signal, signal });
    },
    async shutdown(signal) {
      if (!process.stubborn) host.end(id, { code: 128 + signal, signal });
    },
    async kill() {
      host.end(id);
    },
    async pause() {
      process.paused = true;
    },
    async unpause() {
      process.paused = false;
    },
    async limit(limits) {
      if (limits.pidsMax === 13) return ["pidsMax has no effect: there is no pids.max"];
      process.limits = limits;
      return [];
    },
    async unplug() {
      process.place = "no link";
    },
    async plug(place) {
      if (process.hung) throw new IsthmusError("AGENT_UNREACHABLE", { name: process.plan.name, reason: "it hangs" });
      process.place = place;
    },
    activity: async () => ({ cpuMs: 0, connections: 0 }),
    async capture(plan) {
      if (host.captureFails !== undefined) throw host.captureFails;
      process.paused = !plan.goOn;
      return { parts: {}, accelerator: "tcg", sizeBytes: 1, pausedMs: 1 };
    },
    release() {},
    clear: async () => undefined,
  };
}

export function fakeSnapshots(host: FakeHost): SnapshotFolders {
  const nothing = async () => {};
  return {
    folder: (id) => `/snapshots/${id}`,
    diskIn: (folder) => `${folder}/disk`,
    load: async () => [...host.snapshots.values()],
    begin: async () => "/snapshots/taking",
    async commit(_folder, record) {
      host.snapshots.set(record.snapshot.id, record);
    },
    discard: nothing,
    async remove(id) {
      host.snapshots.delete(id);
    },
  };
}

function fakeSaved(host: FakeHost): SavedFolders {
  return {
    begin: async (id) => `/m/${id}/half`,
    async commit(id, facts) {
      host.saved.set(id, facts);
    },
    async load(id) {
      const facts = host.saved.get(id);
      return facts && { folder: `/m/${id}/saved`, facts };
    },
    async use(id) {
      host.saved.delete(id);
    },
    async remove(id) {
      host.saved.delete(id);
    },
  };
}

export function fakeFolders(host: FakeHost): MachineFolders {
  const folder = (id: string) => `/m/${id}`;
  return {
    root: "/m",
    folder,
    socketFolder: (id) => `/s/${id}`,
    outputPath: (id) => `${folder(id)}/output`,
    diskPath: (id) => `${folder(id)}/disk`,
    overlayPath: (id) => `${folder(id)}/overlay`,
    async createOverlay(id) {
      host.disks.add(id);
    },
    volumeOverlayPath: (id, index) => `${folder(id)}/volume-${index}`,
    async createVolumeOverlay() {},
    fileSharePath: (id, index) => `${folder(id)}/file-${index}`,
    async createFileShare() {},
    saved: fakeSaved(host),
    async create(id) {
      if (host.folders.has(id)) throw new IsthmusError("INTERNAL", { reason: "the folder exists" });
      host.folders.add(id);
    },
    async createSocketFolder() {},
    async createDisk(id) {
      host.disks.add(id);
      return `${folder(id)}/disk`;
    },
    has: async (id) => host.folders.has(id),
    hasDisk: async (id) => host.disks.has(id),
    async removeDisk(id) {
      host.disks.delete(id);
    },
    async remove(id) {
      await host.folderRemoval;
      host.folders.delete(id);
      host.disks.delete(id);
      host.outputs.delete(`${folder(id)}/output`);
    },
    usedBytes: async (id) => (host.folders.has(id) ? 1000 : 0),
    list: async () => [...host.folders],
  };
}

export function fakeOutput(host: FakeHost): OutputFiles {
  return {
    prepare: async (path) => host.outputs.get(path)?.length ?? 0,
    async *read(path, options = {}) {
      yield* host.outputs.get(path) ?? [];
      if (options.follow) await options.until;
    },
    async exit(path, bootOffset) {
      const last = host.outputs
        .get(path)
        ?.slice(bootOffset)
        .findLast((record) => record.kind === "exit");
      return last && JSON.parse(last.payload.toString());
    },
    keep: () => ({ stop() {} }),
  };
}

export const busybox: Image & { readonly rootfsPath: string } = {
  digest: `sha256:${"a".repeat(64)}`,
  tags: ["busybox:latest"],
  architecture: "amd64",
  os: "linux",
  createdAt: "2026-01-01T00:00:00.000Z",
  sizeBytes: 1,
  rootfsBytes: 1,
  rootfsFormat: "squashfs",
  layers: [],
  config: { entrypoint: [], cmd: ["sh"], env: [], workdir: "", user: "", exposedPorts: [], volumes: [], labels: {} },
  builtIn: true,
  rootfsPath: "/images/busybox",
};
