export const BRIDGE = "br0";
export const UPLINK = "up0";
/** chain of the host's rules: what a network may reach of the host */
export const HOST_RULES = "opened";
/** between a network's gateway that ended and the next one */
export const GATEWAY_RETRY_MS = 1_000;
export const COMMAND_DEADLINE_MS = 30_000;
/** hex digits that tell networks of this host apart, whatever daemon they are of */
export const TAG_CHARS = 8;
/** hex digits that tell daemons' data folders apart */
export const MARK_CHARS = 32;
/** Uplinks take blocks of four addresses here: shared address space (RFC 6598), whose upper end providers of access hardly use. */
export const UPLINK_SECOND = 127;
export const UPLINKS = 16_384;
/** IPv6 of uplinks: a /64 of this unique local block each */
export const UPLINK6 = "fd69:7374:686d";
/** where `ip netns` keeps namespaces by name */
export const NAMESPACES = "/run/netns";
export const RESOLV_CONF = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] as const;
/** of nftables, in a network's namespace: limits on packets */
export const RATES_TABLE = "bridge isthmus_rates";
/** seconds that a rate's bucket holds: what may go at once. As much as QEMU's buckets for disks hold */
export const BUCKET_SHARE = 0.1;
/** of a bucket: two frames, and the most that the kernel has room for */
export const BYTES_LEAST = 3_028;
export const BYTES_MOST = 4_294_967_295;
export const PACKETS_LEAST = 5;
/** seconds that what is held back may wait before more of it is dropped, and the least that may wait */
export const QUEUE_SHARE = 0.2;
export const QUEUE_BYTES_LEAST = 131_072;
/** connections to published ports of one machine, and of all of this daemon's machines: each takes two descriptors */
export const PUBLISHED_CONNECTIONS = 1_024;
export const PUBLISHED_CONNECTIONS_OF_ALL = 8_192;
/** the same of UDP: one for each address and port that datagrams come from */
export const UDP_ASSOCIATIONS = 512;
export const UDP_ASSOCIATIONS_OF_ALL = 4_096;
/** until a machine takes a connection */
export const PUBLISHED_CONNECT_MS = 10_000;
/** without a byte in either direction */
export const TCP_IDLE_MS = 2 * 3_600_000;
/** of a connection whose other end says nothing: whether it is still there */
export const TCP_KEEP_ALIVE_MS = 60_000;
export const UDP_IDLE_MS = 60_000;
/** of the way out; those below are nobody's to give */
export const INNER_PORT_FIRST = 1_024;
export const INNER_PORT_LAST = 65_535;
/** the first line of a connection to a publisher says which protocol is spoken */
export const PUBLISHER_PROTOCOL = 1;
/** until a publisher has done what it is asked; one that takes longer is ended, and the next one started */
export const PUBLISHER_ASK_MS = 30_000;
/** publishers that one request is made of, one after the other, when they end meanwhile */
export const PUBLISHER_TRIES = 3;
/** between a publisher that ended and the next one, and between tries for ports that are somebody's */
export const PUBLISHER_RETRY_MS = 500;
export const PORTS_RETRY_MS = 5_000;
/** Between two looks of a publisher whether anybody needs it still. A daemon that starts one has connected to it by then. */
export const PUBLISHER_LOOK_MS = 10_000;
