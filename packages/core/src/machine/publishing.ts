import { IsthmusError, type MachineSpec, type PublishedPort } from "@isthmus/contract";
import { PORT_MAX } from "./config.ts";

/** Network and ports of a spec. Ports need the user-mode network, which is therefore the default when there are any. Throws INVALID_REQUEST. */
export function resolvePublishing(spec: MachineSpec): { readonly network: "none" | "user"; readonly ports: readonly PublishedPort[] } {
  const ports = spec.ports ?? [];
  if (ports.length > 0 && spec.network === "none") {
    throw new IsthmusError("INVALID_REQUEST", { field: "network", reason: "ports can be published with network user only", value: "none" });
  }
  const taken = new Set<string>();
  for (const [index, port] of ports.entries()) checkPort(port, `ports[${index}]`, taken);
  return { network: spec.network ?? (ports.length > 0 ? "user" : "none"), ports };
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
