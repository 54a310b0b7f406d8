import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { MachineGroups } from "@isthmus/core";
import { FORK_SERVER_RETRY_MS, QEMU_PROGRAM } from "../config.ts";
import type { EngineLog } from "../engine-log.ts";
import { ForkServer } from "./fork-server.ts";
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
  readonly log: EngineLog;
}

/** Starts VMMs: forks of one QEMU where that works, else each by itself. */
export class Spawner {
  readonly #options: SpawnerOptions;
  readonly #library: string | undefined;
  #server: Promise<ForkServer | undefined> | undefined;
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

  /** Machines go on. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    (await server)?.close();
  }

  /** Starts one when there is none that can be used. Undefined where it does not work, which is tried again after a while. */
  async #current(): Promise<ForkServer | undefined> {
    const asked = this.#server;
    const server = await asked;
    if (server?.usable) return server;
    if (this.#library === undefined) return undefined;
    if (this.#server === asked && performance.now() >= this.#notBefore) {
      server?.close();
      this.#server = this.#start(this.#library);
    }
    const another = await this.#server;
    return another?.usable ? another : undefined;
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
