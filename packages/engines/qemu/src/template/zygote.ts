import { rmSync } from "node:fs";
import { IsthmusError } from "@isthmus/contract";
import type { ClonePlace, NicPlace, PreparedClone, Zygote } from "@isthmus/core";
import { agentSocketPath, commandLine, qmpSocketPath } from "../command-line.ts";
import { CLONE_DEADLINE_MS, CONFIGURE_DEADLINE_MS, QEMU_PROGRAM, STARTING_CPU_WEIGHT, ZYGOTE_REHEARSALS } from "../config.ts";
import { AgentLink } from "../guest/agent-link.ts";
import { Monitor } from "../monitor/monitor.ts";
import type { ZygoteProcess } from "../process/fork-server.ts";
import { quiet } from "../process/quiet.ts";
import { asTemplateFailure } from "../start.ts";
import { unlessItEnds } from "../watched.ts";
import { memoryPath, statePath } from "./files.ts";
import { type CloneParts, endedEarly, Prepared, type PrepareRequest } from "./prepared.ts";
import { rehearse } from "./rehearsal.ts";
import { restoreState } from "./restore.ts";

/**
 * A clone that has done several times what a start asks for, and stands still, to be forked: its forks have in common what it has in memory, translated
 * code included. Undefined where a process cannot be forked. Throws TEMPLATE_FAILED, CANCELLED, ENGINE_MISSING.
 */
export async function makeZygote(request: PrepareRequest): Promise<Zygote | undefined> {
  const { shape, template, place, variant, spawner, groups, signal } = request;
  // KVM keeps a guest for the process that made it.
  if (variant.accelerator === "kvm") return undefined;
  const memoryFile = { path: memoryPath(template), shared: false };
  const args = commandLine({ ...shape, ...place, name: "zygote", memoryFile, ports: [], zygote: true }, variant);
  const process = await spawner.spawnZygote({
    words: [QEMU_PROGRAM, ...args],
    folder: place.folder,
    network: shape.network,
    statePath: statePath(template),
  });
  if (process === undefined) return undefined;
  const { vmm } = process;
  groups?.weigh(vmm.pid, { cpuWeight: STARTING_CPU_WEIGHT });
  const link = new AgentLink(agentSocketPath(place.socketFolder), "a zygote");
  const monitor = new Monitor(qmpSocketPath(place.socketFolder), () => vmm.expectEnd());
  try {
    await unlessItEnds({ vmm, signal, what: "making a zygote", early: endedEarly }, practise(request, { vmm, link, monitor }));
    return new QemuZygote(request, process);
  } catch (error) {
    await vmm.kill();
    throw asTemplateFailure(error);
  } finally {
    link.close();
    monitor.close();
  }
}

/** Of all tap devices; the fork's is the one that is named in its place. */
const TAP_DEVICE = "/dev/net/tun";

/** A place on a network that is nobody's: addresses for documentation (RFC 5737, RFC 3849). */
const NOWHERE: NicPlace = { address: "192.0.2.2/24", gateway: "192.0.2.1", address6: "2001:db8::2/64", gateway6: "2001:db8::1" };

/** Greeting included: a fork is connected to anew. */
async function practise({ shape }: PrepareRequest, { vmm, link, monitor }: CloneParts): Promise<void> {
  await restoreState(monitor);
  const place = shape.network === "bridge" ? NOWHERE : undefined;
  await rehearse(await link.boot(CLONE_DEADLINE_MS), shape.network, place);
  for (let times = 1; times < ZYGOTE_REHEARSALS; times += 1) {
    link.drop();
    await quiet(vmm.pid);
    await rehearse(await link.session(CONFIGURE_DEADLINE_MS), shape.network, place);
  }
  link.close();
  // A guest that had not noticed that its host left would not greet the hosts of its forks.
  await quiet(vmm.pid);
  await monitor.execute("stop");
}

class QemuZygote implements Zygote {
  readonly ended: Promise<unknown>;
  readonly #request: PrepareRequest;
  readonly #process: ZygoteProcess;

  constructor(request: PrepareRequest, process: ZygoteProcess) {
    this.#request = request;
    this.#process = process;
    this.ended = process.vmm.ended;
  }

  get stale(): boolean {
    return !this.#process.server.usable;
  }

  async fork(place: ClonePlace): Promise<PreparedClone> {
    const { shape, template, variant, spawner, groups } = this.#request;
    const { folder, socketFolder, diskPath, nic } = place;
    try {
      // Names only, so at once: a thread of the pool takes longer to wake than this does.
      const own = [agentSocketPath(socketFolder), qmpSocketPath(socketFolder), ...(diskPath === undefined ? [] : [diskPath])];
      for (const path of own) rmSync(path, { force: true });
      const paths = this.#paths(place, memoryPath(template));
      const layout = { name: "prepared", ...shape, ...place, memoryFile: { path: memoryPath(template), shared: false }, ports: [] };
      const words = [QEMU_PROGRAM, ...commandLine(layout, variant)];
      const vmm = await spawner.clone(this.#process, { place: { folder, network: shape.network, nic }, words, paths });
      groups?.weigh(vmm.pid, { cpuWeight: STARTING_CPU_WEIGHT });
      const link = new AgentLink(agentSocketPath(socketFolder), "a prepared clone");
      const monitor = new Monitor(qmpSocketPath(socketFolder), () => vmm.expectEnd());
      return new Prepared(this.#request, { vmm, link, monitor });
    } catch (error) {
      if (String(error).includes("No space left")) throw new IsthmusError("DISK_FULL", { what: "a machine's disk" }, { cause: error });
      throw asTemplateFailure(error);
    }
  }

  /** Its sockets and files, each with the fork's. Both map the template's memory privately. */
  #paths(place: ClonePlace, memory: string): (readonly [string, string])[] {
    const own = this.#request.place;
    const paths: (readonly [string, string])[] = [
      [agentSocketPath(own.socketFolder), agentSocketPath(place.socketFolder)],
      [qmpSocketPath(own.socketFolder), qmpSocketPath(place.socketFolder)],
      [own.outputPath, place.outputPath],
      [memory, memory],
    ];
    if (own.diskPath !== undefined && place.diskPath !== undefined) paths.push([own.diskPath, place.diskPath]);
    if (place.nic !== undefined) paths.push([TAP_DEVICE, place.nic.tap]);
    return paths;
  }

  async end(): Promise<void> {
    await this.#process.vmm.kill();
  }
}
