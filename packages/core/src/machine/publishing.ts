import { IsthmusError, type MachineSpec, networkRates, type PublishedPort } from "@isthmus/contract";
import { PORT_MAX } from "./config.ts";

/** Network and ports of a spec. Ports need a network, by default the user-mode one. Throws INVALID_REQUEST. */
export function resolvePublishing(spec: MachineSpec): {
  readonly network: "none" | "user" | "bridge";
  readonly ports: readonly PublishedPort[];
} {
  const ports = spec.ports ?? [];
  if (ports.length > 0 && spec.network === "none") {
    throw new IsthmusError("INVALID_REQUEST", { field: "network", reason: "ports can be published with a network only", value: "none" });
  }
  const taken = new Set<string>();
  for (const [index, port] of ports.entries()) checkPort(port, `ports[${index}]`, taken);
  return { network: networkOf(spec, ports.length > 0), ports };
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
  const kind = names || lists || limit !== undefined ? "bridge" : (network ?? (publishes || egress !== undefined ? "user" : "none"));
  if (kind === "bridge" && publishes) {
    const reason = "ports are published with network user only, not of machines on a network of the host's";
    throw new IsthmusError("INVALID_REQUEST", { field: "ports", value: spec.ports?.length ?? 0, reason });
  }
  return kind;
}

function checkPort(port: PublishedPort, field: string, taken: Set<string>): void {
  for (const [name, value, least] of [
    ["guest", port.guest, 1],
    ["host", port.host, 0],
  ] as const) {
    if (Number.isInteger(value) && value >= least && value <= PORT_MAX) continue;
    throw new IsthmusError("INVALID_REQUEST", { field: `${field}.${name}`, reason: `it must be ${least} to ${PORT_MAX}`, value });
  }
  const octets = port.address.split(".").map(Number);
  if (octets.length !== 4 || octets[0] !== 127 || octets.some((octet) => !Number.isInteger(octet) || octet < 0 || octet > 255)) {
    const reason = "it must be a loopback address, 127.0.0.0 to 127.255.255.255";
    throw new IsthmusError("INVALID_REQUEST", { field: `${field}.address`, reason, value: port.address });
  }
  if (port.host === 0) return;
  const key = `${port.protocol} ${port.address}:${port.host}`;
  if (taken.has(key)) {
    throw new IsthmusError("INVALID_REQUEST", {
      field: `${field}.host`,
      reason: "the same host port is published twice",
      value: port.host,
    });
  }
  taken.add(key);
}
