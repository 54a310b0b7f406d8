import type { Readable } from "node:stream";
import type {
  FileChange,
  LogLine,
  Machine,
  MachineExit,
  MachineProcess,
  MachineStats,
  MachineUpdate,
  Snapshot,
  Why,
} from "@isthmus/contract";
import { hasCode, IsthmusError } from "@isthmus/contract";
import { EXEC_TEXT_BYTES } from "./config.ts";
import { jsonLines } from "./lines.ts";
import { LogQuery } from "./log-query.ts";
import type {
  AttachOptions,
  CallOptions,
  CloneOptions,
  ExecOptions,
  ExecResult,
  KillOptions,
  LastingOptions,
  LogOptions,
  PathStat,
  RemoveOptions,
  Session,
  SnapshotOptions,
  StopOptions,
} from "./options.ts";
import { type RawChunk, type RawPlace, rawRecords } from "./raw-logs.ts";
import { persist, persistAll } from "./reconnect.ts";
import { type Call, type Query, readAll, type Transport } from "./transport.ts";

/** One machine, named by id, name, or a prefix of its id. Making a handle asks the daemon nothing. Methods throw MACHINE_NOT_FOUND and what they name. */
export class MachineHandle {
  /** what the machine is called in requests */
  readonly ref: string;
  readonly #transport: Transport;

  /** Use `isthmus.machines.handle(ref)`. */
  constructor(transport: Transport, ref: string) {
    this.#transport = transport;
    this.ref = ref;
  }

  /** Its present record. */
  inspect(options: CallOptions = {}): Promise<Machine> {
    return this.#transport.json({ method: "GET", path: this.#path(), signal: options.signal });
  }

  /** Why it is queued, refused, slow, suspended or ended, in words with numbers. */
  why(options: CallOptions = {}): Promise<Why> {
    return this.#transport.json({ method: "GET", path: this.#path("/why"), signal: options.signal });
  }

  /** Starts it; resolves when the guest answered. Throws STATE_CONFLICT, START_FAILED, START_TIMEOUT. */
  start(options: CallOptions = {}): Promise<Machine> {
    return this.#post("start", {}, options);
  }

  /** Stops it in order; resolves when it has ended. Throws STATE_CONFLICT. */
  stop(options: StopOptions = {}): Promise<Machine> {
    return this.#post("stop", { timeoutMs: options.timeoutMs, signal: options.stopSignal }, options);
  }

  /** Signals the workload; SIGKILL ends the machine. Throws STATE_CONFLICT. */
  kill(options: KillOptions = {}): Promise<Machine> {
    return this.#post("kill", { signal: options.killSignal }, options);
  }

  /** Stops its virtual CPUs; memory stays. Throws STATE_CONFLICT. */
  pause(options: CallOptions = {}): Promise<Machine> {
    return this.#post("pause", {}, options);
  }

  /** Lets its virtual CPUs go on. Throws STATE_CONFLICT. */
  unpause(options: CallOptions = {}): Promise<Machine> {
    return this.#post("unpause", {}, options);
  }

  /** Gives it another name, in any state; a handle made with the old name finds nothing then. Throws INVALID_NAME, NAME_TAKEN. */
  rename(name: string, options: CallOptions = {}): Promise<Machine> {
    return this.#transport.json({ method: "POST", path: this.#path("/rename"), json: { name }, signal: options.signal });
  }

  /**
   * Changes limits, restart policy, priority and evictability, while it runs too; CPUs and memory of the guest while it has no process. A limit of null is
   * taken away. All of it is changed, or nothing. Throws INVALID_REQUEST, FIXED_WHILE_LIVE, LIMIT_REFUSED.
   */
  update(change: MachineUpdate, options: CallOptions = {}): Promise<Machine> {
    return this.#transport.json({ method: "PATCH", path: this.#path(), json: change, signal: options.signal });
  }

  /** Its state to disk, its process gone, its memory returned; resolves when all of it is durable. Sessions and connections end. Throws STATE_CONFLICT, CAPTURE_FAILED. */
  suspend(options: CallOptions = {}): Promise<Machine> {
    return this.#post("suspend", {}, options);
  }

  /** Goes on where it was suspended; resolves when its guest answers. Throws STATE_CONFLICT, SNAPSHOT_UNUSABLE, NO_CAPACITY, PORT_TAKEN. */
  resume(options: CallOptions = {}): Promise<Machine> {
    return this.#post("resume", {}, options);
  }

  /** Memory, devices and disk at this moment, kept until removed; the machine goes on. Throws STATE_CONFLICT, INVALID_NAME, SNAPSHOT_NAME_TAKEN, CAPTURE_FAILED. */
  snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
    const { signal, name } = options;
    return this.#transport.json({ method: "POST", path: "/snapshots", json: { machine: this.ref, name }, signal });
  }

  /**
   * Clones of the machine as it runs, processes, memory and disk included; it goes on. Resolves when all of them run; when one fails there are none.
   * Throws STATE_CONFLICT, NAME_TAKEN, PORT_TAKEN, CAPTURE_FAILED, NO_CAPACITY.
   */
  clone(options: CloneOptions = {}): Promise<readonly RunningMachine[]> {
    return cloneAt(this.#transport, this.#path("/clone"), options);
  }

  /** Deletes it and its writable layer. Throws STATE_CONFLICT when it runs and `force` is not set. */
  remove(options: RemoveOptions = {}): Promise<void> {
    return this.#transport.done({
      method: "DELETE",
      path: this.#path(),
      query: { force: options.force, volumes: options.volumes },
      signal: options.signal,
    });
  }

  /** How it ended; held open until no restart will follow, over the loss of daemons with `reconnect`. Throws the recorded failure when its start failed. */
  async wait(options: LastingOptions = {}): Promise<MachineExit> {
    const exit = await this.waitFor("exited", options);
    if (exit) return exit;
    throw new IsthmusError("PROTOCOL", { reason: "an ended machine without an exit" });
  }

  /** Held open until the machine is `running`, `exited` or `removed`; its exit where there is one. Throws STATE_CONFLICT when `running` cannot come. */
  async waitFor(condition: "running" | "exited" | "removed", options: LastingOptions = {}): Promise<MachineExit | undefined> {
    const call: Call = { method: "GET", path: this.#path("/wait"), query: { condition }, signal: options.signal };
    const { exit } = await persist(() => this.#transport.json<{ exit?: MachineExit }>(call), options);
    return exit;
  }

  /** Its output with times, oldest first. */
  async *logs(options: LogOptions = {}): AsyncGenerator<LogLine, void, undefined> {
    const asked = new LogQuery(options);
    let next: number | undefined;
    const open = () => jsonLines<LogLine>(this.#transport, this.#logCall(asked.at(next), options));
    for await (const line of persistAll(open, options)) {
      next = line.next;
      yield line;
    }
  }

  /** Its output byte for byte, oldest first. */
  rawLogs(options: LogOptions = {}): AsyncGenerator<RawChunk, void, undefined> {
    const asked = new LogQuery(options);
    const place: RawPlace = {};
    const more = { raw: true, places: options.reconnect ? true : undefined };
    const open = () => rawRecords(this.#transport, this.#logCall({ ...asked.at(place.next), ...more }, options), place);
    return persistAll(open, options);
  }

  /** What it uses right now. Throws STATE_CONFLICT. */
  stats(options: CallOptions = {}): Promise<MachineStats> {
    return this.#transport.json({ method: "GET", path: this.#path("/stats"), signal: options.signal });
  }

  /** Its processes. Throws STATE_CONFLICT. */
  async processes(options: CallOptions = {}): Promise<readonly MachineProcess[]> {
    const call: Call = { method: "GET", path: this.#path("/processes"), signal: options.signal };
    return (await this.#transport.json<{ processes: readonly MachineProcess[] }>(call)).processes;
  }

  /** What its disk has otherwise than its image, in the order of the paths; also when it has ended. Throws STATE_CONFLICT. */
  async changes(options: CallOptions = {}): Promise<readonly FileChange[]> {
    const call: Call = { method: "GET", path: this.#path("/changes"), signal: options.signal };
    return (await this.#transport.json<{ changes: readonly FileChange[] }>(call)).changes;
  }

  /** All of its files as a tar stream, volumes and folders of the host left out; also when it has ended. Throws STATE_CONFLICT. */
  export(options: CallOptions = {}): Promise<Readable> {
    return this.getArchive("/", options);
  }

  /** What it uses, again and again, until it ends or the loop is left. */
  statsStream(options: CallOptions = {}): AsyncGenerator<MachineStats, void, undefined> {
    return jsonLines(this.#transport, { method: "GET", path: this.#path("/stats"), query: { stream: true }, signal: options.signal });
  }

  /** Runs a command in it; resolves when the command has started. Throws STATE_CONFLICT, AGENT_REFUSED. */
  async exec(command: readonly string[], options: ExecOptions = {}): Promise<Session> {
    const { openSession } = await import("./session.ts");
    const { signal, ...rest } = options;
    return await openSession(this.#transport.address, { path: this.#path("/exec"), start: { ...rest, command: [...command] }, signal });
  }

  /** Runs a command without input and collects its output, 64 MiB a stream at most. Throws as `exec` does, and TOO_LARGE. */
  async execText(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const session = await this.exec(command, { ...options, stdin: false });
    try {
      const [stdout, stderr, exit] = await Promise.all([
        readAll(session.stdout, EXEC_TEXT_BYTES),
        readAll(session.stderr, EXEC_TEXT_BYTES),
        session.exit,
      ]);
      return { ...exit, stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8") };
    } finally {
      session.close();
    }
  }

  /** Joins its workload's input and output. Throws NOT_INTERACTIVE, STATE_CONFLICT. */
  async attach(options: AttachOptions = {}): Promise<Session> {
    const { openSession } = await import("./session.ts");
    const query = { stdin: options.stdin, logs: options.logs };
    return await openSession(this.#transport.address, { path: this.#path("/attach"), query, signal: options.signal });
  }

  /** Unpacks a tar stream into the folder `path`. Throws PATH_NOT_FOUND, BAD_ARCHIVE, STATE_CONFLICT. */
  putArchive(path: string, archive: Readable, options: CallOptions = {}): Promise<void> {
    return this.#transport.done({ method: "PUT", path: this.#path("/archive"), query: { path }, body: archive, signal: options.signal });
  }

  /** `path` as a tar stream. Throws PATH_NOT_FOUND, STATE_CONFLICT. */
  getArchive(path: string, options: CallOptions = {}): Promise<Readable> {
    const accept = { accept: "application/x-tar" };
    return this.#transport.send({ method: "GET", path: this.#path("/archive"), query: { path }, headers: accept, signal: options.signal });
  }

  /** What `path` is. Throws PATH_NOT_FOUND, STATE_CONFLICT. */
  statPath(path: string, options: CallOptions = {}): Promise<PathStat> {
    return this.#transport.json({ method: "GET", path: this.#path("/path"), query: { path }, signal: options.signal });
  }

  #path(rest = ""): string {
    return `/machines/${encodeURIComponent(this.ref)}${rest}`;
  }

  #post(action: string, query: Call["query"], options: CallOptions): Promise<Machine> {
    return this.#transport.json({ method: "POST", path: this.#path(`/${action}`), query, signal: options.signal });
  }

  #logCall(query: Query, { signal }: LogOptions): Call {
    return { method: "GET", path: this.#path("/logs"), query, headers: { accept: "*/*" }, signal };
  }
}

/** The machines that a request for clones makes. */
export async function cloneAt(transport: Transport, path: string, options: CloneOptions): Promise<readonly RunningMachine[]> {
  const { signal, ...spec } = options;
  const { machines } = await transport.json<{ machines: readonly Machine[] }>({ method: "POST", path, json: spec, signal });
  return machines.map((machine) => new RunningMachine(transport, machine));
}

/** A machine that `run` started, or a clone. Disposing of it (`await using`) stops and removes it. */
export class RunningMachine extends MachineHandle implements AsyncDisposable {
  /** its record at the start */
  readonly info: Machine;

  /** Use `isthmus.machines.run(spec)` or `clone`. */
  constructor(transport: Transport, info: Machine) {
    super(transport, info.id);
    this.info = info;
  }

  /** 16 hex digits */
  get id(): string {
    return this.info.id;
  }

  /** its name */
  get name(): string {
    return this.info.name;
  }

  /** Stops it in order and removes it; a machine that ended or went by itself is fine. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } catch (error) {
      if (!hasCode(error, "STATE_CONFLICT", "MACHINE_NOT_FOUND")) throw error;
    }
    try {
      await this.remove({ force: true });
    } catch (error) {
      if (!hasCode(error, "MACHINE_NOT_FOUND")) throw error;
    }
  }
}
