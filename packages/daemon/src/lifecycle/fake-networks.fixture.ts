import { IsthmusError, type NetworkRates } from "@isthmus/contract";
import type { NetworkHost, TapRates } from "@isthmus/core";

/** What the host's networks are, which outlive the daemon. */
export interface FakeNetworks {
  /** of machines that have a tap, by tap */
  readonly rates: Map<string, NetworkRates>;
}

/** a rate that the host does not take */
export const REFUSED_RATE = 13;

export function fakeNetworks({ rates }: FakeNetworks): NetworkHost {
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
    publish: async (_network, _address, ports) => ({ ports, open: 0, close() {} }),
    remove: async () => rates.clear(),
    left: async () => [],
    onDenied() {},
    close() {},
  };
}
