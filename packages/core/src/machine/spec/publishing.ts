import { IsthmusError, type MachineSpec, networkRates, type PublishedPort, plainAddress } from "@isthmus/contract";
import { PORT_MAX } from "../config.ts";

/** Network and ports of a spec. Ports need a network, by default the user-mode one. Throws INVALID_REQUEST. */
export function resolvePublishing(spec: MachineSpec): {
  readonly network: "none" | "user" | "bridge";
  readonly ports: readonly PublishedPort[];
} {
  const ports = spec.ports ?? [];
  if (ports.length > 0 && spec.network === "none") {
    throw new IsthmusError("INVALID_REQUEST", { field: "network", reason: "ports can be published with a network only", value: "none" });
  }
  const network = networkOf(spec, ports.length > 0);
  const taken = new Set<string>();
  return { network, ports: ports.map((port, index) => checked(port, `ports[${index}]`, network, taken)) };
}

/** Throws INVALID_REQUEST for wishes that contradict one another. */
function networkOf(spec: MachineSpec, publishes: boolean): "none" | "user" | "bridge" {
  const { network, networks = [], egress } = spec;
  const names = networks.length > 0;
  if (names && network !== undefined && network !== "bridge")
    throw new IsthmusError("INVALID_REQUEST", { field: "network", value: network, reason: "networks are named too; leave it out" });
  const lists = (egress?.allow ?? []).length > 0;
  if (lists && network !== undefined && network !== "bridge") {
    const reason = "rules are enforced on a real network only; leave network out, which takes the network default, or name one";
    throw new IsthmusError("INVALID_REQUEST", { field: "egress", value: `network ${network}`, reason });
  }
  const limit = networkRates.find((name) => spec.resources?.[name] !== undefined);
  if (limit !== undefined && network !== undefined && network !== "bridge") {
    const reason = "rates are held on a network of the host's only; leave network out, which takes the network default, or name one";
    throw new IsthmusError("INVALID_REQUEST", { field: `resources.${limit}`, value: `network ${network}`, reason });
  }
  return names || lists || limit !== undefined ? "bridge" : (network ?? (publishes || egress !== undefined ? "user" : "none"));
}

/** The port with its address in its one spelling. */
function checked(port: PublishedPort, field: string, network: "none" | "user" | "bridge", taken: Set<string>): PublishedPort {
  for (const [name, value, least] of [
    ["guest", port.guest, 1],
    ["host", port.host, 0],
  ] as const) {
    if (Number.isInteger(value) && value >= least && value <= PORT_MAX) continue;
    throw new IsthmusError("INVALID_REQUEST", { field: `${field}.${name}`, reason: `it must be ${least} to ${PORT_MAX}`, value });
  }
  const address = plainAddress(port.address);
  if (address === undefined || (network !== "bridge" && !address.startsWith("127."))) {
    const loopback =
      "it must be a loopback address, 127.0.0.0 to 127.255.255.255; machines on a network of the host's (network bridge) take others too";
    const reason = network === "bridge" ? "it must be an IPv4 or IPv6 address" : loopback;
    throw new IsthmusError("INVALID_REQUEST", { field: `${field}.address`, reason, value: port.address });
  }
  const key = `${port.protocol} ${address}:${port.host}`;
  if (port.host !== 0 && taken.has(key)) {
    const reason = "the same host port is published twice";
    throw new IsthmusError("INVALID_REQUEST", { field: `${field}.host`, reason, value: port.host });
  }
  taken.add(key);
  return { ...port, address };
}
