import { type ChildProcess, spawn } from "node:child_process";
import { readlinkSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { basename, join } from "node:path";
import { IsthmusError } from "@isthmus/contract";
import type { EngineEnd, MachineGroups } from "@isthmus/core";
import { FORK_DEADLINE_MS, FORK_SERVER_DEADLINE_MS, fileNames, VMM_ENVIRONMENT } from "../config.ts";
import { encodeFork, type ForkAnswer, type ForkRequest, parseAnswer } from "./fork-protocol.ts";
import { namespaceOf, type VmmCommand, type VmmPlace } from "./net-namespace.ts";
import { processStatus } from "./proc.ts";
import { giveWay } from "./spawn.ts";
import { VmmProcess } from "./vmm-process.ts";

/** Answered with its version by a QEMU that did not take the library; the room behind it is where `ps` finds the arguments of forks. */
const ARGUMENTS = ["-version", " ".repeat(16_384)] as const;

/** Changes when a library of this host does. */
const LINKER_CACHE = "/etc/ld.so.cache";

/** What a fork is made of: a program's arguments, or what another VMM is in this moment. */
type Making = Pick<ForkRequest, "zygote" | "kind" | "statePath" | "words">;

interface Fork {
  /** groups that did not take the process, by their place in the request, and why */
  readonly refused: Map<number, string>;
  readonly ready: PromiseWithResolvers<number>;
  readonly ended: PromiseWithResolvers<EngineEnd | undefined>;
}

/** What a fork of a zygote has of its own. */
export interface CloneCommand {
  readonly place: VmmPlace;
  /** program and arguments that it would have been executed with: what `ps` shows */
  readonly words: readonly string[];
  /** Each path that the zygote has open for writing or listens at, and the fork's own: files must exist. The same twice is shared. */
  readonly paths: readonly (readonly [zygotes: string, own: string])[];
}

/** A VMM that can be forked as it is, while its guest stands still: `guest/agent/host/zygote.c`. */
export interface ZygoteProcess {
  readonly vmm: VmmProcess;
  readonly server: ForkServer;
  /** Throws HOST_COMMAND_FAILED. */
  fork(command: CloneCommand): Promise<VmmProcess>;
}

/**
 * QEMU, stopped before its own first instruction with all its libraries loaded, which forks VMMs (`guest/agent/host/fork_server.c`): that spares each the
 * work of the dynamic linker, and they share its pages. It ends with this process, or with `close`; VMMs go on.
 */
export class ForkServer {
  readonly #child: ChildProcess;
  readonly #channel: Socket;
  readonly #serves = Promise.withResolvers<number>();
  readonly #forks = new Map<string, Fork>();
  readonly #libraries = libraries();
  readonly #gone = Promise.withResolvers<void>();
  #retired = false;
  #pid = 0;
  #program: string | undefined;
  #count = 0;
  #rest = "";

  private constructor(child: ChildProcess, channel: Socket) {
    this.#child = child;
    this.#channel = channel;
    child.once("error", (cause) => this.#lose(cause.message));
    child.once("exit", (code, signal) => this.#lose(signal ?? `exit status ${code}`));
    channel.setEncoding("utf8");
    channel.on("data", (text: string) => this.#read(text));
    channel.on("error", (cause) => this.#lose(cause.message));
    channel.on("close", () => this.#lose("it closed its channel"));
    this.#serves.promise.catch(() => undefined);
  }

  /** Throws HOST_COMMAND_FAILED when the program cannot be one here. */
  static async start(program: string, library: string): Promise<ForkServer> {
    const preload = [library, ...(process.env.LD_PRELOAD ? [process.env.LD_PRELOAD] : [])].join(":");
    const child = spawn(program, ARGUMENTS, {
      detached: true,
      cwd: "/",
      env: { ...VMM_ENVIRONMENT, ...process.env, LD_PRELOAD: preload, LD_BIND_NOW: "1" },
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    if (child.pid !== undefined) giveWay(child.pid);
    const channel = child.stdio[3] as Socket;
    const server = new ForkServer(child, channel);
    child.unref();
    try {
      server.#pid = await server.#within(FORK_SERVER_DEADLINE_MS, server.#serves.promise);
      server.#program = programOf(server.#pid);
    } catch (error) {
      server.close();
      throw error;
    }
    channel.unref();
    return server;
  }

  /** Settles when the process has ended, or is about to. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** how many VMMs it was asked for */
  get asked(): number {
    return this.#count;
  }

  /** False when it is gone, was retired, or is not what would be executed now: the program or a library was replaced. */
  get usable(): boolean {
    return this.#pid !== 0 && !this.#retired && programOf(this.#pid) === this.#program && libraries() === this.#libraries;
  }

  /** As `spawnVmm`. Throws HOST_COMMAND_FAILED; when the server was lost it is not usable then, and whether it forked is not known. */
  async fork(command: VmmCommand, groups?: MachineGroups): Promise<VmmProcess> {
    const { words, statePath = "" } = command;
    return (await this.#make(command, { zygote: "", kind: "", statePath, words }, groups)).vmm;
  }

  /** A VMM that can be forked once its guest stands still. Throws as `fork`. */
  async forkZygote(command: VmmCommand, groups?: MachineGroups): Promise<ZygoteProcess> {
    const { words, statePath = "" } = command;
    const { vmm, id } = await this.#make(command, { zygote: "", kind: "zygote", statePath, words }, groups);
    const fork = async ({ place, words, paths }: CloneCommand) => {
      const making = { zygote: id, kind: "", statePath: "", words: [String(paths.length), ...paths.flat(), ...words] } as const;
      return (await this.#make(place, making, groups)).vmm;
    };
    return { vmm, fork, server: this };
  }

  async #make(
    place: VmmPlace,
    making: Making,
    groups: MachineGroups | undefined,
  ): Promise<{ readonly vmm: VmmProcess; readonly id: string }> {
    if (this.#pid === 0) throw failure("it is gone");
    this.#count += 1;
    const id = String(this.#count);
    const { folder } = place;
    const entry = groups?.open(basename(folder));
    const fork: Fork = { refused: new Map(), ready: Promise.withResolvers(), ended: Promise.withResolvers() };
    this.#forks.set(id, fork);
    const log = join(folder, fileNames.vmmLog);
    this.#channel.write(encodeFork({ ...making, id, folder, log, namespace: namespaceOf(place), groups: entry?.files ?? [] }));
    try {
      const pid = await this.#within(FORK_DEADLINE_MS, fork.ready.promise);
      const refused = entry?.files.map((_, index) => fork.refused.get(index)) ?? [];
      entry?.entered(pid, refused);
      const vmm = VmmProcess.forked(pid, processStatus(pid)?.startTime ?? "", fork.ended.promise);
      void vmm.ended.then(() => groups?.leave(pid));
      return { vmm, id };
    } catch (error) {
      this.#forks.delete(id);
      entry?.discard();
      this.#endIfIdle();
      throw error;
    }
  }

  /** It forks no more, tells of the ends of its forks, and ends after the last of them. */
  retire(): void {
    this.#retired = true;
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (this.#retired && this.#forks.size === 0) this.#lose("it was retired");
  }

  /** Of a fork that still runs the end is looked for from now on. */
  close(): void {
    this.#lose("it was closed");
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const answer = parseAnswer(line);
      if (answer !== undefined) this.#take(answer);
    }
  }

  #take(answer: ForkAnswer): void {
    if (answer.kind === "serves") this.#serves.resolve(answer.pid);
    else this.#tell(answer);
  }

  #tell(answer: Exclude<ForkAnswer, { kind: "serves" }>): void {
    const fork = this.#forks.get(answer.id);
    if (fork === undefined) return;
    if (answer.kind === "ready") fork.ready.resolve(answer.pid);
    else if (answer.kind === "refused") fork.refused.set(answer.index, answer.reason);
    else if (answer.kind === "failed") fork.ready.reject(failure(answer.reason));
    else {
      this.#forks.delete(answer.id);
      fork.ready.reject(failure(answer.status));
      fork.ended.resolve({ status: answer.status });
      this.#endIfIdle();
    }
  }

  /** A server that does not answer is of no use. */
  async #within<T>(ms: number, promise: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#lose(`no answer within ${ms} ms`), ms);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #lose(reason: string): void {
    this.#pid = 0;
    const lost = failure(reason);
    this.#serves.reject(lost);
    for (const { ready, ended } of this.#forks.values()) {
      ready.reject(lost);
      ended.resolve(undefined);
    }
    this.#forks.clear();
    this.#channel.destroy();
    this.#child.kill("SIGKILL");
    this.#gone.resolve();
  }
}

/** The kernel appends a word to the path of a file that was replaced. */
function programOf(pid: number): string | undefined {
  try {
    const path = readlinkSync(`/proc/${pid}/exe`);
    return path.endsWith(" (deleted)") ? undefined : path;
  } catch {
    return undefined;
  }
}

function libraries(): number | undefined {
  return statSync(LINKER_CACHE, { throwIfNoEntry: false })?.mtimeMs;
}

function failure(reason: string): IsthmusError {
  return new IsthmusError("HOST_COMMAND_FAILED", { program: "the fork server", reason });
}
