import { type EgressDenial, type GatewayMachine, type MachineState, plainEgress, type Resources } from "@isthmus/contract";
import type { MachinesParts } from "../machine/machines-parts.ts";
import type { MachineRecord } from "../machine/ports.ts";
import { blockOf, nth } from "./addresses.ts";
import { tapOf } from "./attach.ts";
import { macAddressOf } from "./mac.ts";
import type { NetworkHost, NetworkState } from "./ports.ts";
import { ratesOf, tapRates } from "./rates.ts";

/** In these a machine has a process, or is about to. */
const present: readonly MachineState[] = ["starting", "running", "paused", "stopping"];
/** what ends at the same time is looked at once */
const SETTLE_MS = 300;
/** so long after a start what a machine sends under another identity may be its template's */
const NEW_MS = 10_000;
const OPEN = { default: "open" } as const;

export function isOn({ machine }: MachineRecord): boolean {
  return present.includes(machine.state);
}

type Needs = Pick<MachinesParts, "store" | "clock" | "log"> & { readonly closing: AbortController };

/** The networks of this host as they are now: each is there while a machine is on it. One change of a network at a time. */
export class Networks {
  readonly #host: NetworkHost;
  readonly #needs: Needs;
  /** what was last brought about, by name */
  readonly #applied = new Map<string, string>();
  readonly #queues = new Map<string, Promise<void>>();
  #looking = false;
  /** machines that run may be on no network */
  #parked = false;

  constructor(host: NetworkHost, needs: Needs) {
    this.#host = host;
    this.#needs = needs;
    host.onDenied((denial) => this.#tell(denial));
    needs.store.onEvents((events) => {
      if (events.some(({ machineId }) => machineId !== undefined)) this.#lookSoon();
    });
  }

  /** Resolves when the network is as the machines that are on it need it. Throws HOST_COMMAND_FAILED, TIMEOUT, NETWORK_UNAVAILABLE. */
  bringUp(name: string): Promise<void> {
    return this.#queue(name, () => this.#sync(name));
  }

  /** Has a device for a machine that is about to start and is on no network. Throws HOST_COMMAND_FAILED. */
  async park(id: string): Promise<void> {
    this.#parked = true;
    await this.#host.parking.add(tapOf(id));
  }

  /** Limits what a machine that has a process sends and receives, at once. The next look takes what its record says. Throws HOST_COMMAND_FAILED. */
  async limit({ machine: { id, spec } }: MachineRecord, resources: Resources): Promise<void> {
    const limits = { tap: tapOf(id), rates: ratesOf(resources) };
    for (const { network } of spec.networks ?? [])
      await this.#queue(network, () => {
        // It is no longer as it was brought about.
        if (this.#applied.has(network)) this.#applied.set(network, "");
        return this.#host.limit(network, limits);
      });
  }

  /** Takes up those that an earlier daemon left; those of nobody go. */
  async takeUp(): Promise<void> {
    if (this.#host.refusal() !== undefined) return;
    const left = new Set(await this.#host.left());
    for (const { machine } of this.#needs.store.allMachines().filter(isOn))
      for (const { network } of machine.spec.networks ?? []) left.add(network);
    for (const name of left)
      await this.bringUp(name).catch((error: unknown) =>
        this.#needs.log.error({ network: name, err: error }, "could not take a network up"),
      );
    await this.#sweep();
  }

  /** Takes the network off the host, and has `forget` remove its record where nothing comes between. */
  remove(name: string, forget: () => void): Promise<void> {
    return this.#queue(name, async () => {
      forget();
      this.#applied.delete(name);
      await this.#host.remove(name, this.#leaving());
    });
  }

  /** Taps that a network gives back while their machines run. */
  #leaving(): ReadonlySet<string> {
    const records = this.#needs.store.allMachines().filter((record) => isOn(record) && record.machine.spec.network === "bridge");
    const leaving = records.filter(({ machine, boot }) => boot.moving !== undefined || (machine.spec.networks ?? []).length === 0);
    if (leaving.length > 0) this.#parked = true;
    return new Set(leaving.map(({ machine }) => tapOf(machine.id)));
  }

  async #sweep(): Promise<void> {
    try {
      this.#parked = await this.#host.parking.keep(this.#leaving());
    } catch (error) {
      this.#needs.log.error({ err: error }, "devices of machines that are gone could not be removed");
    }
  }

  #queue(name: string, job: () => Promise<void>): Promise<void> {
    const turn = (this.#queues.get(name) ?? Promise.resolve()).then(job);
    this.#queues.set(
      name,
      turn.catch(() => undefined),
    );
    return turn;
  }

  async #sync(name: string): Promise<void> {
    const state = this.#stateOf(name);
    if (state === undefined || state.machines.length === 0) {
      this.#applied.delete(name);
      await this.#host.remove(name, this.#leaving());
      return;
    }
    const text = JSON.stringify(state);
    if (this.#applied.get(name) === text) return;
    this.#applied.delete(name);
    await this.#host.apply(state, this.#leaving());
    this.#applied.set(name, text);
  }

  #stateOf(name: string): NetworkState | undefined {
    const network = this.#needs.store.networks().find((one) => one.name === name);
    if (network === undefined) return undefined;
    const members = this.#needs.store
      .allMachines()
      .filter((record) => isOn(record) && record.machine.spec.networks?.some((one) => one.network === name));
    const gateway = { v4: nth(blockOf(network.subnet), 1), v6: nth(blockOf(network.subnet6), 1) };
    return { network, gateway, machines: members.flatMap((record) => memberOf(record, name)), rates: members.flatMap(tapRates) };
  }

  #lookSoon(): void {
    if (this.#looking || (this.#applied.size === 0 && !this.#parked)) return;
    this.#looking = true;
    this.#needs.clock.after(SETTLE_MS, () => {
      this.#looking = false;
      if (this.#needs.closing.signal.aborted) return;
      for (const name of [...this.#applied.keys()])
        this.bringUp(name).catch((error: unknown) =>
          this.#needs.log.error({ network: name, err: error }, "a network could not be changed"),
        );
      if (this.#parked) void this.#sweep();
    });
  }

  #tell(denial: EgressDenial): void {
    const { machine, ...details } = denial;
    const record = this.#needs.store.allMachines().find(({ machine: { id } }) => id === machine);
    if (record === undefined || this.#needs.closing.signal.aborted) return;
    const { id, name } = record.machine;
    // Until it has its identity a clone sends under its template's, which goes nowhere and is nobody's doing.
    if (details.kind === "spoofed" && this.#needs.clock.now() - (record.boot.startedMs ?? this.#needs.clock.now()) < NEW_MS) return;
    try {
      this.#needs.store.appendEvents([{ type: "egress.denied", machineId: id, machineName: name, details }]);
    } catch (error) {
      this.#needs.log.warn({ machine: id, err: error, ...details }, "what a machine was refused could not be written down");
    }
  }
}

function memberOf({ machine }: MachineRecord, network: string): GatewayMachine[] {
  const { id, name, spec } = machine;
  return (spec.networks ?? [])
    .filter((one) => one.network === network)
    .map(({ ip = "", ip6, aliases = [] }) => ({
      id,
      name,
      aliases: [...aliases],
      tap: tapOf(id),
      mac: macAddressOf(id),
      v4: ip,
      v6: ip6,
      egress: plainEgress(spec.egress ?? OPEN),
    }));
}
