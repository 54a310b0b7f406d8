import { blockHolds, type GatewayState, IsthmusError, plainAddress, plainBlock } from "@isthmus/contract";

const invalid = (field: string, value: string, reason: string): IsthmusError =>
  new IsthmusError("INVALID_REQUEST", { field: `state.${field}`, value, reason });

function plain(field: string, address: string, family: 4 | 6, within?: string): void {
  const block = plainBlock(address);
  if (plainAddress(address) !== address || block?.family !== family)
    throw invalid(field, address, `it is an address of IPv${family} in its shortest spelling`);
  const outer = within === undefined ? undefined : plainBlock(within);
  if (outer && !blockHolds(outer, block)) throw invalid(field, address, `it is not of the network's block ${within}`);
}

/** Throws INVALID_REQUEST for a state that names an address, device or name twice, or an address that is none or not of the network. */
export function checkState(state: GatewayState): void {
  const { gateway, subnet, machines } = state;
  for (const family of [4, 6] as const) {
    const text = family === 4 ? subnet.v4 : subnet.v6;
    if (text !== undefined && plainBlock(text)?.family !== family)
      throw invalid(`subnet.v${family}`, text, `it is a block of IPv${family}`);
  }
  if ((gateway.v6 === undefined) !== (subnet.v6 === undefined))
    throw invalid("gateway.v6", gateway.v6 ?? "nothing", "it goes with subnet.v6");
  plain("gateway.v4", gateway.v4, 4, subnet.v4);
  if (gateway.v6 !== undefined) plain("gateway.v6", gateway.v6, 6, subnet.v6);
  for (const [field, list] of Object.entries({ upstreams: state.upstreams, hostAddresses: state.hostAddresses }))
    for (const address of list)
      if (plainAddress(address) !== address) throw invalid(field, address, "it is an address in its shortest spelling");
  const seen = new Map<string, string>([gateway.v4, gateway.v6 ?? "", state.bridge, state.uplink ?? ""].map((own) => [own, "the gateway"]));
  const once = (field: string, value: string, name: string): void => {
    const holder = seen.get(value);
    if (holder !== undefined) throw invalid(field, value, `it belongs to ${holder} already`);
    seen.set(value, name);
  };
  for (const [index, machine] of machines.entries()) {
    const at = `machines[${index}]`;
    plain(`${at}.v4`, machine.v4, 4, subnet.v4);
    if (machine.v6 !== undefined && subnet.v6 === undefined) throw invalid(`${at}.v6`, machine.v6, "the network has no IPv6");
    if (machine.v6 !== undefined) plain(`${at}.v6`, machine.v6, 6, subnet.v6);
    for (const [field, value] of Object.entries({ id: machine.id, tap: machine.tap, mac: machine.mac, v4: machine.v4, v6: machine.v6 }))
      if (value !== undefined) once(`${at}.${field}`, field === "id" ? `id ${value}` : value, machine.name);
  }
}
