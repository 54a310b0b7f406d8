import process from "node:process";
import type { GatewayMachine } from "@isthmus/contract";
import { GatewayClient } from "@isthmus/host-gateway";
import { createNetworkHost } from "@isthmus/host-network";

/** One daemon's life with its networks, run in the namespace that plays the host: `home`, `runFolder` and what is done, as JSON; the last answer on stdout. */
export interface Life {
  readonly home: string;
  readonly runFolder: string;
  readonly apply?: { readonly network: string; readonly subnet: string; readonly machines: readonly GatewayMachine[] };
  readonly remove?: readonly string[];
  readonly left?: true;
}

const { home, runFolder, apply, remove = [], left }: Life = JSON.parse(process.argv[2] ?? "");
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const host = createNetworkHost({ home, runFolder, start: (place) => GatewayClient.open(place), log });
if (apply !== undefined) {
  const { network, subnet, machines } = apply;
  const created = { name: network, subnet, subnet6: "fd40::/64", internal: false, labels: {}, createdAt: "" };
  await host.apply({ network: created, gateway: { v4: subnet.replace(/0\/.*/, "1"), v6: "fd40::1" }, machines, rates: [] }, new Set());
}
for (const network of remove) await host.remove(network, new Set());
process.stdout.write(JSON.stringify(left ? await host.left() : host.namespace(apply?.network ?? "")));
host.close();
