export const BRIDGE = "br0";
export const UPLINK = "up0";
/** between a network's gateway that ended and the next one */
export const GATEWAY_RETRY_MS = 1_000;
export const COMMAND_DEADLINE_MS = 30_000;
/** hex digits that tell networks of this host apart, whatever daemon they are of */
export const TAG_CHARS = 8;
/** Uplinks take blocks of four addresses here: shared address space (RFC 6598), whose upper end providers of access hardly use. */
export const UPLINK_SECOND = 127;
export const UPLINKS = 16_384;
/** IPv6 of uplinks: a /64 of this unique local block each */
export const UPLINK6 = "fd69:7374:686d";
/** where `ip netns` keeps namespaces by name */
export const NAMESPACES = "/run/netns";
export const RESOLV_CONF = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] as const;
