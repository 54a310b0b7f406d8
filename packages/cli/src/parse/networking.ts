import { type MachineSpec, parseEgress } from "@isthmus/contract";
import { invalid } from "./invalid.ts";

export interface NetworkingOptions {
  readonly network?: readonly string[];
  readonly networkAlias?: readonly string[];
  readonly ip?: string;
  readonly ip6?: string;
  readonly egress?: readonly string[];
}

const kinds = ["none", "user", "bridge"] as const;

/** What `--network`, `--ip`, `--ip6`, `--network-alias` and `--egress` say. Throws INVALID_REQUEST. */
export function networking(options: NetworkingOptions): Pick<MachineSpec, "network" | "networks" | "egress"> {
  const { network: wanted = [], networkAlias, ip, ip6, egress } = options;
  const kind = kinds.find((one) => wanted.includes(one));
  if (kind !== undefined && wanted.length > 1) throw invalid("--network", wanted.join(" "), `${kind} goes with no other network`);
  const names = kind === undefined ? wanted : [];
  const [first] = names;
  const place = { ip, ip6, aliases: networkAlias && [...networkAlias] };
  const odd = Object.entries({ "--ip": ip, "--ip6": ip6, "--network-alias": networkAlias?.join(" ") }).find(
    ([, value]) => value !== undefined,
  );
  if (odd !== undefined && first === undefined) throw invalid(odd[0], String(odd[1]), "it goes with --network NAME");
  for (const [key, value] of Object.entries(place)) if (value === undefined) Reflect.deleteProperty(place, key);
  return {
    ...(kind === undefined ? {} : { network: kind }),
    ...(first === undefined ? {} : { networks: names.map((network, index) => ({ network, ...(index === 0 ? place : {}) })) }),
    ...(egress === undefined ? {} : { egress: parseEgress(egress) }),
  };
}
