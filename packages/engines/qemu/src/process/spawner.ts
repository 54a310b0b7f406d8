import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { MachineGroups } from "@isthmus/core";
import { FORK_SERVER_RETRY_MS, FORKS_OF_ONE_SERVER, QEMU_PROGRAM, RETIRED_SERVERS_MAX } from "../config.ts";
import type { EngineLog } from "../engine-log.ts";
import { type CloneCommand, ForkServer, type ZygoteProcess } from "./fork-server.ts";
import { inNamespace, type VmmCommand } from "./net-namespace.ts";
import { processStatus, vmmsIn } from "./proc.ts";
import { spawnVmm } from "./spawn.ts";
import { VmmProcess } from "./vmm-process.ts";

const LIBRARY = "isthmus-fork.so";

export interface SpawnerOptions {
  /** beside it lies the library that makes a QEMU a fork server */
  readonly agentPath?: string;
  readonly groups?: MachineGroups;
  /** false: every VMM is executed by itself, with an address space that is laid out as no other's */
  readonly forks: boolean;
  /** how many VMMs have one layout of their address space; default `FORKS_OF_ONE_SERVER` */
  readonly forksOfOneServer?: number;
  readonly log: EngineLog;
}

/** Starts VMMs: forks of one QEMU where that works, else each by itself. */
export class Spawner {
  readonly #options: SpawnerOptions;
  readonly #library: string | undefined;
  /** those that have VMMs which still run, oldest first */
  readonly #retired = new Set<ForkServer>();
  #server: Promise<ForkServer | undefined> | undefined;
  #following: Promise<void> | undefined;
  #notBefore = 0;

  constructor(options: SpawnerOptions) {
    this.#options = options;
    const { agentPath, forks } = options;
    const library = agentPath === undefined ? undefined : join(dirname(agentPath), LIBRARY);
    this.#library = forks && library !== undefined && existsSync(library) ? library : undefined;
  }

  /**
   * Starts a VMM in a session of its own, so that nothing that happens to the daemon or its terminal reaches it. It has a group of its own from its first
   * moment on, named as its folder, until it ends. Throws ENGINE_MISSING, HOST_COMMAND_FAILED, TIMEOUT.
   */
  async spawn(command: VmmCommand): Promise<VmmProcess> {
    const { groups, log } = this.#options;
    const server = await this.#current();
    try {
      if (server !== undefined) return await server.fork(command, groups);
    } catch (error) {
      if (server?.usable) throw error;
      log("the fork server was lost", { reason: String(error) });
      await endUnclaimed(command.folder);
    }
    const [program, ...args] = inNamespace(command);
    return await spawnVmm(program, args, command.folder, { statePath: command.statePath, groups });
  }

  /** Starts a VMM that can be forked; undefined where there is no fork server. Throws as `spawn`. */
  async spawnZygote(command: VmmCommand): Promise<ZygoteProcess | undefined> {
    return await (await this.#current())?.forkZygote(command, this.#options.groups);
  }

  /** A VMM that is what the zygote is in this moment. Throws HOST_COMMAND_FAILED. */
  async clone(zygote: ZygoteProcess, command: CloneCommand): Promise<VmmProcess> {
    // Its forks count: after some another server takes over, and then the zygote is stale.
    await this.#current();
    return await zygote.fork(command);
  }

  /** Machines go on. */
  async close(): Promise<void> {
    await this.#following;
    const server = this.#server;
    this.#server = undefined;
    (await server)?.close();
    for (const retired of this.#retired) retired.close();
  }

  /** Starts one when there is none that can be used. Undefined where it does not work, which is tried again after a while. */
  async #current(): Promise<ForkServer | undefined> {
    const asked = this.#server;
    const server = await asked;
    if (this.#library === undefined) return undefined;
    if (server?.usable) {
      this.#follow(server, this.#library);
      return server;
    }
    if (this.#server === asked && performance.now() >= this.#notBefore) {
      server?.close();
      this.#server = this.#start(this.#library);
    }
    const another = await this.#server;
    return another?.usable ? another : undefined;
  }

  /**
   * All forks of a server have the same layout of their address space, and who has broken into one VMM knows that of the others: after some, another server
   * takes over. The one before forks until that is there.
   */
  #follow(server: ForkServer, library: string): void {
    const { forksOfOneServer = FORKS_OF_ONE_SERVER } = this.#options;
    if (server.asked < forksOfOneServer || this.#following !== undefined || performance.now() < this.#notBefore) return;
    this.#following = this.#start(library).then((next) => {
      this.#following = undefined;
      if (next === undefined) return;
      this.#server = Promise.resolve(next);
      this.#retire(server);
    });
  }

  #retire(server: ForkServer): void {
    this.#retired.add(server);
    void server.gone.then(() => this.#retired.delete(server));
    server.retire();
    // Each is a process: of VMMs that have run for long the ends are looked for.
    const [oldest] = this.#retired;
    if (this.#retired.size > RETIRED_SERVERS_MAX) oldest?.close();
  }

  async #start(library: string): Promise<ForkServer | undefined> {
    try {
      return await ForkServer.start(QEMU_PROGRAM, library);
    } catch (error) {
      this.#notBefore = performance.now() + FORK_SERVER_RETRY_MS;
      this.#options.log("there is no fork server: each engine process is started by itself", { reason: String(error) });
      return undefined;
    }
  }
}

/**
 * A server that is lost may have forked, and nobody reads any more that it did: a second VMM would write to the same disk. One that has not yet said
 * that it is there dies of saying it. Throws TIMEOUT.
 */
async function endUnclaimed(folder: string): Promise<void> {
  for (const { pid, name } of await vmmsIn(dirname(folder))) {
    const startTime = processStatus(pid)?.startTime;
    if (name === basename(folder) && startTime !== undefined) await VmmProcess.adopted(pid, startTime).kill();
  }
}
