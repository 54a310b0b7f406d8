import { access, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type EgressDenial, type GatewayState, limits } from "@isthmus/contract";
import type { Log, NetworkState, TapRates } from "@isthmus/core";
import { announce } from "./announce.ts";
import { ip, run } from "./commands.ts";
import { BRIDGE, GATEWAY_RETRY_MS, NAMESPACES, UPLINK } from "./config.ts";
import { hostRules } from "./host-rules.ts";
import { devicesOf, type Links, links } from "./links.ts";
import type { NetworkNames } from "./names.ts";
import type { Parking } from "./parking.ts";
import { RateLimits } from "./rate-limits.ts";
import { endGateways, hasHostPart } from "./strays.ts";
import { hostAddresses, makeUplink, openHost, removeUplink, upstreams } from "./uplink.ts";

/** The gateway process of a network, as the daemon holds it. */
export interface NetworkGateway {
  /** in the network's namespace */
  readonly pid: number;
  apply(state: GatewayState): Promise<void>;
  stop(): Promise<void>;
  close(): void;
  denials(): AsyncIterable<EgressDenial>;
  /** never rejects */
  readonly closed: Promise<void>;
}

/** Connects to the gateway of a namespace, which it starts when there is none. */
export type StartGateway = (place: {
  readonly namespace: string;
  readonly socket: string;
  readonly log: string;
}) => Promise<NetworkGateway>;

export interface PresentParts {
  readonly names: NetworkNames;
  /** of this network: sockets and log of its gateway */
  readonly folder: string;
  readonly parking: Parking;
  readonly start: StartGateway;
  /** program that tells machines of a network whose addresses are whose; absent: none does */
  readonly announcer?: string;
  readonly denied: (denial: EgressDenial) => void;
  readonly log: Log;
}

/** A network that is there: namespace, bridge, way out, taps and gateway. One change at a time, except that a gateway that ends is started anew. */
export class Present {
  readonly #parts: PresentParts;
  #gateway: NetworkGateway | undefined;
  #state: NetworkState | undefined;
  #rates: RateLimits;
  #over = false;
  /** settles when machines were told of others, for which no start waits */
  #telling: Promise<unknown> = Promise.resolve();
  /** rules of the host, as they are now */
  #opened: string | undefined;

  constructor(parts: PresentParts) {
    this.#parts = parts;
    this.#rates = new RateLimits(parts.names.namespace);
  }

  /** Taps in `leaving` are parked rather than removed. */
  async apply(state: NetworkState, leaving: ReadonlySet<string>): Promise<void> {
    const { namespace } = this.#parts.names;
    this.#state = state;
    this.#over = false;
    if (!(await exists(join(NAMESPACES, namespace)))) await this.#make(state);
    else if (this.#gateway === undefined && !(await this.#whole())) {
      await this.remove(leaving);
      this.#over = false;
      this.#state = state;
      await this.#make(state);
    }
    await this.#rates.apply(state.rates, await this.#taps(state, leaving));
    await this.#open(state);
    if (this.#gateway === undefined && !(await exists(join(this.#parts.folder, "gateway.sock")))) await endGateways(namespace);
    const gateway = this.#gateway ?? (await this.#join());
    await gateway.apply(await gatewayState(state));
  }

  /** Of one machine, from now on. Throws HOST_COMMAND_FAILED. */
  async limit(limits: TapRates): Promise<void> {
    const state = this.#state;
    if (state === undefined) return;
    const others = state.rates.filter(({ tap }) => tap !== limits.tap);
    this.#state = { ...state, rates: [...others, limits] };
    await this.#rates.apply(this.#state.rates, await links(this.#parts.names.namespace));
  }

  /** What policies name of the host itself is let in there; which machine may, the gateway says. */
  async #open({ network, machines }: NetworkState): Promise<void> {
    if (network.internal) return;
    const rules = hostRules(machines, hostAddresses(), await upstreams());
    if (rules === this.#opened) return;
    await openHost(this.#parts.names, rules);
    this.#opened = rules;
  }

  /** Taps of those that are gone go, and with them nothing that runs. */
  async #taps({ machines }: NetworkState, leaving: ReadonlySet<string>): Promise<Links> {
    const { names, parking } = this.#parts;
    const { namespace } = names;
    const known = await this.#links();
    const wanted = new Set(machines.map(({ tap }) => tap));
    const added = [...wanted].filter((tap) => !known.has(tap));
    const gone = [...known.keys()].filter((name) => isTap(name) && !wanted.has(name));
    const parked = gone.filter((tap) => leaving.has(tap));
    await parking.put(namespace, parked);
    const claimed = await parking.claim(namespace, added);
    const made = added.filter((tap) => !claimed.includes(tap));
    await ip(namespace, [
      ...gone.filter((tap) => !parked.includes(tap)).map((tap) => `link del ${tap}`),
      ...made.flatMap((tap) => [`tuntap add dev ${tap} mode tap vnet_hdr`, `link set ${tap} master ${BRIDGE} up`]),
      // Another machine may have had its addresses a moment ago, and be remembered by them.
      ...machines
        .filter(({ tap }) => added.includes(tap))
        .flatMap(({ v4, v6 }) => [v4, ...(v6 === undefined ? [] : [v6])].map((address) => `neigh flush to ${address} dev ${BRIDGE}`)),
    ]);
    if ([...known.keys()].some(isTap)) this.#tell(machines.filter(({ tap }) => added.includes(tap)));
    return new Map([...[...known].filter(([name]) => !gone.includes(name)), ...added.map((tap) => [tap, ""] as const)]);
  }

  /** Where no queueing discipline was set names are enough, and those the gateway's process sees: no program has to be started. */
  async #links(): Promise<Links> {
    const names = this.#gateway === undefined || this.#rates.queues ? [] : devicesOf(this.#gateway.pid);
    return names.includes(BRIDGE) ? new Map(names.map((name) => [name, ""])) : await links(this.#parts.names.namespace);
  }

  /** Who is not told finds out by itself, later. */
  #tell(machines: NetworkState["machines"]): void {
    const { names, announcer, log } = this.#parts;
    if (announcer === undefined) return;
    const telling = announce(announcer, names.namespace, machines).catch((error: unknown) =>
      log.warn({ namespace: names.namespace, err: error }, "machines of a network could not be told of new ones"),
    );
    this.#telling = Promise.all([this.#telling, telling]);
  }

  async #make({ network, gateway }: NetworkState): Promise<void> {
    const { names, folder } = this.#parts;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    this.#rates = new RateLimits(names.namespace, true);
    await run("ip", ["netns", "add", names.namespace]);
    try {
      await ip(names.namespace, [
        `link set dev lo alias ${names.mark}`,
        "link set lo up",
        `link add ${BRIDGE} address ${names.mac} type bridge`,
        `addr add ${gateway.v4}/${network.subnet.split("/")[1]} dev ${BRIDGE}`,
        `addr add ${gateway.v6}/64 dev ${BRIDGE} nodad`,
        `link set ${BRIDGE} up`,
      ]);
      if (!network.internal) await makeUplink(names);
    } catch (error) {
      await this.remove(new Set());
      throw error;
    }
  }

  /** Whether an earlier daemon came to the end of making it. */
  async #whole(): Promise<boolean> {
    const known = await links(this.#parts.names.namespace);
    return known.has(BRIDGE) && (this.#state?.network.internal === true || known.has(UPLINK));
  }

  async #join(): Promise<NetworkGateway> {
    const { names, folder, start, denied, log } = this.#parts;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const gateway = await start({ namespace: names.namespace, socket: join(folder, "gateway.sock"), log: join(folder, "gateway.log") });
    this.#gateway = gateway;
    const tell = async () => {
      for await (const denial of gateway.denials()) denied(denial);
    };
    tell().catch((error: unknown) => log.warn({ namespace: names.namespace, err: error }, "a gateway's words could not be read"));
    void gateway.closed.then(() => this.#again(gateway));
    return gateway;
  }

  /** Its rules stay in the kernel while no gateway runs. */
  async #again(gateway: NetworkGateway): Promise<void> {
    if (this.#gateway === gateway) this.#gateway = undefined;
    while (!this.#over && this.#gateway === undefined) {
      this.#parts.log.warn({ namespace: this.#parts.names.namespace }, "the gateway of a network has ended; starting it anew");
      await sleep(GATEWAY_RETRY_MS);
      if (this.#over || this.#gateway !== undefined || this.#state === undefined) return;
      const state = this.#state;
      await this.#join()
        .then(async (next) => next.apply(await gatewayState(state)))
        .catch((error: unknown) =>
          this.#parts.log.error({ namespace: this.#parts.names.namespace, err: error }, "a gateway did not start"),
        );
    }
  }

  /** Everything of it but taps in `leaving`, which are parked; a no-op when there is nothing. */
  async remove(leaving: ReadonlySet<string>): Promise<void> {
    const { names, folder, log, start, parking } = this.#parts;
    this.#over = true;
    this.#opened = undefined;
    const there = await exists(join(NAMESPACES, names.namespace));
    const socket = join(folder, "gateway.sock");
    if (this.#gateway === undefined && there && (await exists(socket)))
      this.#gateway = await start({ namespace: names.namespace, socket, log: join(folder, "gateway.log") }).catch(() => undefined);
    await this.#gateway?.stop().catch((error: unknown) => log.warn({ namespace: names.namespace, err: error }, "a gateway did not stop"));
    this.#gateway?.close();
    this.#gateway = undefined;
    await this.#telling;
    if (there && leaving.size > 0)
      await parking.put(
        names.namespace,
        [...(await links(names.namespace)).keys()].filter((name) => leaving.has(name)),
      );
    if (there) await endGateways(names.namespace);
    if (there || (await hasHostPart(names))) await removeUplink(names);
    if (there) await run("ip", ["netns", "del", names.namespace]);
    await rm(folder, { recursive: true, force: true });
  }

  /** Leaves it to the next daemon. */
  close(): void {
    this.#over = true;
    this.#gateway?.close();
  }
}

const isTap = (name: string): boolean => name.startsWith("tap");

async function gatewayState({ network, gateway, machines }: NetworkState): Promise<GatewayState> {
  return {
    network: network.name,
    bridge: BRIDGE,
    ...(network.internal ? {} : { uplink: UPLINK }),
    gateway,
    subnet: { v4: network.subnet, v6: network.subnet6 },
    upstreams: network.internal ? [] : [...(await upstreams())].slice(0, limits.networkUpstreams),
    hostAddresses: [...hostAddresses()].slice(0, limits.hostAddresses),
    machines: [...machines],
  };
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
