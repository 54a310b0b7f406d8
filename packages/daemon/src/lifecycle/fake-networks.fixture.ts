import { IsthmusError, type NetworkRates, type PublishedPort } from "@isthmus/contract";
import type { NetworkHost, Publication, TapRates } from "@isthmus/core";

/** What the host's networks are, which outlive the daemon. */
export interface FakeNetworks {
  /** of machines that have a tap, by tap */
  readonly rates: Map<string, NetworkRates>;
  /** ports that listen, `tcp 127.0.0.1:80`, with the address that they lead to */
  readonly listening: Map<string, string>;
  /** connections through published ports, of all machines */
  open: number;
  /** taps, by the network that they are on; `parking` for none */
  readonly taps: Map<string, string>;
}

const PARKING = "parking";

/** a rate that the host does not take */
export const REFUSED_RATE = 13;

export function fakeNetworks(networks: FakeNetworks): NetworkHost {
  const { rates, taps } = networks;
  const set = ({ tap, rates: wanted }: TapRates) => {
    rates.set(tap, wanted);
    if (wanted.netSendBps?.rate === REFUSED_RATE) throw new IsthmusError("HOST_COMMAND_FAILED", { program: "tc", reason: "no such thing" });
  };
  /** As the host does it: a tap that is removed while its machine runs never comes back. */
  const leave = (network: string, wanted: ReadonlySet<string>, leaving: ReadonlySet<string>) => {
    for (const [tap, at] of taps) {
      if (at !== network || wanted.has(tap)) continue;
      if (leaving.has(tap)) taps.set(tap, PARKING);
      else taps.delete(tap);
    }
  };
  return {
    refusal: () => undefined,
    namespace: (network) => `ns-${network}`,
    addresses: () => [],
    parking: {
      namespace: "ns-parking",
      async add(tap) {
        if (!taps.has(tap)) taps.set(tap, PARKING);
      },
      async keep(kept) {
        for (const [tap, at] of taps) if (at === PARKING && !kept.has(tap)) taps.delete(tap);
        return [...taps.values()].includes(PARKING);
      },
    },
    async apply({ network: { name }, machines, rates: limited }, leaving) {
      leave(name, new Set(machines.map(({ tap }) => tap)), leaving);
      for (const { tap } of machines) taps.set(tap, name);
      rates.clear();
      for (const { tap } of machines) set(limited.find((one) => one.tap === tap) ?? { tap, rates: {} });
    },
    limit: async (_network, limits) => set(limits),
    ...publishing(networks),
    async remove(network, leaving) {
      leave(network, new Set(), leaving);
      rates.clear();
    },
    left: async () => [],
    onDenied() {},
    close() {},
  };
}

function publishing(networks: FakeNetworks): Pick<NetworkHost, "publish" | "takeUpPublished"> {
  const { listening } = networks;
  const keysOf = (ports: readonly PublishedPort[]) => ports.map(({ protocol, address, host }) => `${protocol} ${address}:${host}`);
  const publicationOf = (ports: readonly PublishedPort[]): Publication => ({
    ports,
    open: async () => networks.open,
    holder: async () => 1,
    async close() {
      for (const key of keysOf(ports)) listening.delete(key);
    },
  });
  return {
    async publish({ address: of, ports }) {
      const numbers = [...listening.keys()].map((key) => Number(key.split(":").at(-1)));
      const first = Math.max(39_999, ...numbers) + 1;
      const real = ports.map((port, index) => ({ ...port, host: port.host === 0 ? first + index : port.host }));
      const at = keysOf(real).findIndex((key) => listening.has(key));
      if (at >= 0) throw new IsthmusError("PORT_TAKEN", { port: real[at]?.host, address: real[at]?.address, reason: "in use" });
      for (const key of keysOf(real)) listening.set(key, of);
      return publicationOf(real);
    },
    async takeUpPublished(wanted) {
      const kept = wanted.filter(({ address, ports }) => keysOf(ports).every((key) => listening.get(key) === address));
      const keys = new Set(kept.flatMap(({ ports }) => keysOf(ports)));
      for (const key of listening.keys()) if (!keys.has(key)) listening.delete(key);
      return wanted.map((one) => (kept.includes(one) ? publicationOf(one.ports) : undefined));
    },
  };
}
