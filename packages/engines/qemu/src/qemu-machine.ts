import type { Readable } from "node:stream";
import {
  type AgentSession,
  changesOfGuest,
  getArchive,
  processesOfGuest,
  putArchive,
  readPathStat,
  statsOfGuest,
} from "@isthmus/agent-client";
import {
  type Accelerator,
  type ExecSpec,
  type FileChange,
  IsthmusError,
  type MachineProcess,
  type PublishedPort,
  type Resources,
} from "@isthmus/contract";
import type {
  CaptureFacts,
  CapturePlan,
  EngineEnd,
  GuestStats,
  GuestStream,
  LiveMachine,
  MachineGroups,
  NicPlace,
  PathStat,
  StartPlan,
  Workload,
  WorkloadInput,
} from "@isthmus/core";
import { capture } from "./capture/capture.ts";
import { machineTypeOf } from "./capture/parts.ts";
import { NETDEV } from "./command-line.ts";
import { CHANGES_DEADLINE_MS, STATS_DEADLINE_MS } from "./config.ts";
import { clearLeftovers, type EngineState } from "./engine-state.ts";
import type { AgentLink } from "./guest/agent-link.ts";
import { placeGuest } from "./guest/guest-setup.ts";
import { execInGuest, execRequest, signalWorkload, workloadInput } from "./guest/guest-stream.ts";
import { connectionsTo } from "./monitor/host-ports.ts";
import type { Monitor } from "./monitor/monitor.ts";
import { throttleDisks } from "./monitor/throttle.ts";
import { processStatus } from "./process/proc.ts";
import type { VmmProcess } from "./process/vmm-process.ts";

/** What a started or adopted machine is made of. */
export interface MachineParts {
  readonly plan: StartPlan;
  readonly vmm: VmmProcess;
  readonly link: AgentLink;
  readonly monitor: Monitor;
  readonly state: EngineState;
  readonly paused: boolean;
  readonly groups?: MachineGroups;
}

export class QemuMachine implements LiveMachine {
  readonly ended: Promise<EngineEnd>;
  readonly #parts: MachineParts;
  #paused: boolean;

  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.#paused = parts.paused;
    this.ended = parts.vmm.ended;
    void this.ended.then(() => this.release());
  }

  get pid(): number {
    return this.#parts.vmm.pid;
  }

  get accelerator(): Accelerator {
    return this.#parts.state.accelerator;
  }

  get ports(): readonly PublishedPort[] {
    return this.#parts.state.ports;
  }

  get notes(): readonly string[] {
    return this.#parts.state.notes;
  }

  get timings(): Readonly<Record<string, number>> {
    return this.#parts.state.timings;
  }

  get paused(): boolean {
    return this.#paused;
  }

  async exec(spec: ExecSpec, defaults: Workload): Promise<GuestStream> {
    return await execInGuest(await this.#session(), execRequest(spec, defaults));
  }

  async attach(): Promise<WorkloadInput> {
    return workloadInput(this.#parts.link, this.#parts.plan.name, this.#parts.plan.workload);
  }

  async signalWorkload(signal: number): Promise<void> {
    await signalWorkload(await this.#session(), signal);
  }

  /** A paused guest is let run first: it could not stop otherwise. */
  async shutdown(signal: number, timeoutMs: number): Promise<void> {
    if (this.#paused) await this.unpause();
    await (await this.#session()).request("shutdown", { signal, timeoutMs });
  }

  async kill(): Promise<void> {
    await this.#parts.vmm.kill();
  }

  async pause(): Promise<void> {
    this.#present();
    await this.#parts.monitor.execute("stop");
    this.#paused = true;
  }

  async unpause(): Promise<void> {
    this.#present();
    await this.#parts.monitor.execute("cont");
    this.#paused = false;
    this.#parts.link.keep();
  }

  async limit(limits: Resources, former: Resources): Promise<readonly string[]> {
    this.#present();
    const { plan, state, monitor, groups } = this.#parts;
    const refused = groups?.limit(this.pid, limits, former) ?? [];
    await throttleDisks(monitor, { ...plan, resources: limits }, machineTypeOf(state.parts), former);
    return refused;
  }

  async unplug(): Promise<void> {
    this.#present();
    await this.#parts.monitor.execute("set_link", { name: NETDEV, up: false });
  }

  async plug(place: NicPlace): Promise<void> {
    const session = await this.#session();
    // What it would send under the addresses that it had before is another's here.
    await placeGuest(session, this.#parts.plan, place);
    await this.#parts.monitor.execute("set_link", { name: NETDEV, up: true });
  }

  async capture(wanted: CapturePlan, signal: AbortSignal): Promise<CaptureFacts> {
    this.#present();
    const { plan, state, link, monitor } = this.#parts;
    const facts = await capture({ plan, state, pid: this.pid, link, monitor }, wanted, signal);
    this.#paused = !wanted.goOn;
    return facts;
  }

  async activity(): Promise<{ cpuMs: number; connections: number }> {
    return { cpuMs: processStatus(this.pid)?.cpuMs ?? 0, connections: await connectionsTo(this.ports) };
  }

  async stats(): Promise<GuestStats> {
    const guest = await statsOfGuest(await this.#session(), STATS_DEADLINE_MS);
    const host = processStatus(this.pid);
    return { ...guest, hostCpuMs: host?.cpuMs ?? 0, hostRssBytes: host?.rssBytes ?? 0 };
  }

  async processes(): Promise<readonly MachineProcess[]> {
    return await processesOfGuest(await this.#session(), STATS_DEADLINE_MS);
  }

  async changes(): Promise<readonly FileChange[]> {
    return await changesOfGuest(await this.#session(), CHANGES_DEADLINE_MS);
  }

  async putArchive(
    path: string,
    archive: Readable,
    options: { readonly signal?: AbortSignal; readonly fill?: boolean } = {},
  ): Promise<void> {
    await putArchive(await this.#session(), path, archive, options);
  }

  async getArchive(path: string, signal?: AbortSignal): Promise<Readable> {
    return await getArchive(await this.#session(), path, signal);
  }

  async statPath(path: string): Promise<PathStat> {
    return readPathStat(await (await this.#session()).request("stat", { path }, { path }));
  }

  release(): void {
    this.#parts.link.close();
    this.#parts.monitor.close();
    this.#parts.vmm.release();
  }

  async clear(): Promise<void> {
    const { plan, vmm } = this.#parts;
    if (vmm.over) await clearLeftovers(plan.folder, plan.socketFolder);
  }

  #present(): void {
    const { vmm, plan } = this.#parts;
    if (vmm.over) throw new IsthmusError("AGENT_UNREACHABLE", { name: plan.name, reason: "its engine process is gone" });
  }

  async #session(): Promise<AgentSession> {
    const { name } = this.#parts.plan;
    this.#present();
    if (this.#paused) throw new IsthmusError("AGENT_UNREACHABLE", { name, reason: "it is paused" });
    return await this.#parts.link.session();
  }
}
