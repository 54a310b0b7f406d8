import type { Machine, MachineExit, MachinePage, MachineSpec, Snapshot, Why } from "@isthmus/contract";
import { LIST_PAGE } from "./config.ts";
import { type FollowedMachine, followedAt } from "./followed.ts";
import { MachineHandle, RunningMachine } from "./machine.ts";
import type {
  CallOptions,
  CloneOptions,
  CreateOptions,
  KillOptions,
  LastingOptions,
  ListOptions,
  PageOptions,
  RemoveOptions,
  RunOptions,
  SnapshotOptions,
  StopOptions,
} from "./options.ts";
import type { Call, Transport } from "./transport.ts";

/** The machines of a host. Methods that take `ref` want an id, a name, or a prefix of an id, and throw MACHINE_NOT_FOUND and MACHINE_AMBIGUOUS. */
export class Machines {
  readonly #transport: Transport;

  /** Use `isthmus.machines`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes a machine, starts it and has its output come along in the same answer, which spares a request. Throws as the other `run`. */
  run(spec: MachineSpec, options: RunOptions & { readonly follow: true }): Promise<FollowedMachine>;
  /** Makes a machine and starts it; resolves when the guest answered. Throws IMAGE_NOT_FOUND, NAME_TAKEN, NO_CAPACITY, START_FAILED and others. */
  run(spec: MachineSpec, options?: RunOptions): Promise<RunningMachine>;
  /** Makes a machine and starts it. */
  async run(spec: MachineSpec, { follow = false, ...options }: RunOptions = {}): Promise<RunningMachine> {
    const call = creation(spec, { ...options, start: true });
    if (follow) return await followedAt(this.#transport, { ...call, query: { ...call.query, follow } });
    return new RunningMachine(this.#transport, await this.#transport.json(call));
  }

  /** Makes a machine and, unless `start` is false, starts it. Throws as `run` does. */
  create(spec: MachineSpec, options: CreateOptions = {}): Promise<Machine> {
    return this.#transport.json(creation(spec, options));
  }

  /** A handle that asks the daemon nothing until it is used. */
  handle(ref: string): MachineHandle {
    return new MachineHandle(this.#transport, ref);
  }

  /** The machine's present record. */
  get(ref: string, options: CallOptions = {}): Promise<Machine> {
    return this.handle(ref).inspect(options);
  }

  /** All machines that match, page after page, newest first. */
  async *list(options: ListOptions = {}): AsyncGenerator<Machine, void, undefined> {
    let cursor: string | undefined;
    do {
      const page: MachinePage = await this.page({ ...options, limit: LIST_PAGE, cursor });
      yield* page.machines;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** One page of machines. */
  page(options: PageOptions = {}): Promise<MachinePage> {
    const { states, labels, ids, names, name = names, exitCodes, ancestors, volumes, signal, ...rest } = options;
    return this.#transport.json({
      method: "GET",
      path: "/machines",
      query: { ...rest, state: states, label: labels, name, id: ids, exited: exitCodes?.map(String), ancestor: ancestors, volume: volumes },
      signal,
    });
  }

  /** See `MachineHandle.why`. */
  why(ref: string, options: CallOptions = {}): Promise<Why> {
    return this.handle(ref).why(options);
  }

  /** See `MachineHandle.start`. */
  start(ref: string, options: CallOptions = {}): Promise<Machine> {
    return this.handle(ref).start(options);
  }

  /** See `MachineHandle.stop`. */
  stop(ref: string, options: StopOptions = {}): Promise<Machine> {
    return this.handle(ref).stop(options);
  }

  /** See `MachineHandle.kill`. */
  kill(ref: string, options: KillOptions = {}): Promise<Machine> {
    return this.handle(ref).kill(options);
  }

  /** See `MachineHandle.pause`. */
  pause(ref: string, options: CallOptions = {}): Promise<Machine> {
    return this.handle(ref).pause(options);
  }

  /** See `MachineHandle.unpause`. */
  unpause(ref: string, options: CallOptions = {}): Promise<Machine> {
    return this.handle(ref).unpause(options);
  }

  /** See `MachineHandle.rename`. */
  rename(ref: string, name: string, options: CallOptions = {}): Promise<Machine> {
    return this.handle(ref).rename(name, options);
  }

  /** See `MachineHandle.suspend`. */
  suspend(ref: string, options: CallOptions = {}): Promise<Machine> {
    return this.handle(ref).suspend(options);
  }

  /** See `MachineHandle.resume`. */
  resume(ref: string, options: CallOptions = {}): Promise<Machine> {
    return this.handle(ref).resume(options);
  }

  /** See `MachineHandle.snapshot`. */
  snapshot(ref: string, options: SnapshotOptions = {}): Promise<Snapshot> {
    return this.handle(ref).snapshot(options);
  }

  /** See `MachineHandle.clone`. */
  clone(ref: string, options: CloneOptions = {}): Promise<readonly RunningMachine[]> {
    return this.handle(ref).clone(options);
  }

  /** See `MachineHandle.remove`. */
  remove(ref: string, options: RemoveOptions = {}): Promise<void> {
    return this.handle(ref).remove(options);
  }

  /** See `MachineHandle.wait`. */
  wait(ref: string, options: LastingOptions = {}): Promise<MachineExit> {
    return this.handle(ref).wait(options);
  }
}

function creation(spec: MachineSpec, { start, pull, idempotencyKey = crypto.randomUUID(), signal }: CreateOptions): Call {
  const headers = { "idempotency-key": idempotencyKey };
  return { method: "POST", path: "/machines", query: { start, pull }, headers, json: spec, repeatable: true, signal };
}
