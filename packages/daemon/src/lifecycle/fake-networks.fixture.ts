import { IsthmusError, type NetworkRates } from "@isthmus/contract";
import type { NetworkHost, TapRates } from "@isthmus/core";

/** What the host's networks are, which outlive the daemon. */
export interface FakeNetworks {
  /** of machines that have a tap, by tap */
  readonly rates: Map<string, NetworkRates>;
  /** ports that listen, `tcp 127.0.0.1:80`; a daemon's end frees them */
  readonly listening: Set<string>;
}

/** a rate that the host does not take */
export const REFUSED_RATE = 13;

export function fakeNetworks({ rates, listening }: FakeNetworks): NetworkHost {
  listening.clear();
  const set = ({ tap, rates: wanted }: TapRates) => {
    rates.set(tap, wanted);
    if (wanted.netSendBps?.rate === REFUSED_RATE) throw new IsthmusError("HOST_COMMAND_FAILED", { program: "tc", reason: "no such thing" });
  };
  return {
    refusal: () => undefined,
    namespace: (network) => `ns-${network}`,
    addresses: () => [],
    async apply({ machines, rates: limited }) {
      rates.clear();
      for (const { tap } of machines) set(limited.find((one) => one.tap === tap) ?? { tap, rates: {} });
    },
    limit: async (_network, limits) => set(limits),
    async publish(_network, _address, ports) {
      const real = ports.map((port, index) => ({ ...port, host: port.host === 0 ? 40_000 + listening.size + index : port.host }));
      const keys = real.map(({ protocol, address, host }) => `${protocol} ${address}:${host}`);
      const at = keys.findIndex((key) => listening.has(key));
      if (at >= 0) throw new IsthmusError("PORT_TAKEN", { port: real[at]?.host, address: real[at]?.address, reason: "in use" });
      for (const key of keys) listening.add(key);
      return {
        ports: real,
        open: 0,
        close() {
          for (const key of keys) listening.delete(key);
        },
      };
    },
    remove: async () => rates.clear(),
    left: async () => [],
    onDenied() {},
    close() {},
  };
}
