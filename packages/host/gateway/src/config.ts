/** the first line of a connection says which protocol is spoken */
export const GATEWAY_PROTOCOL = 1;

/** How long an address stays open after a DNS answer: the answer's TTL within these, plus the grace, for programs that connect just when it ends. */
export const TIE_MIN_MS = 60_000;
export const TIE_MAX_MS = 3_600_000;
export const TIE_GRACE_MS = 30_000;
/** names and addresses that one machine may have open at once */
export const MACHINE_TIES = 2_048;
/** addresses of one answer that are opened; the rest of it is left out */
export const ANSWER_ADDRESSES = 64;
export const CNAME_CHAIN = 16;

export const DNS_PORT = 53;
/** of answers that tell of machines of the network, seconds */
export const LOCAL_TTL_S = 5;
/** what an answer over UDP may have at most, whatever the client says (the DNS flag day's figure) */
export const DNS_UDP_BYTES = 1_232;
export const DNS_UDP_PLAIN_BYTES = 512;
export const DNS_UPSTREAM_MS = 2_000;
export const DNS_ANSWER_MS = 6_000;
export const DNS_MACHINE_QUERIES = 64;
export const DNS_QUERIES = 512;
export const DNS_TCP_CLIENTS = 128;
export const DNS_TCP_MACHINE_CLIENTS = 16;
export const DNS_TCP_IDLE_MS = 10_000;
/** an address of IPv6 can be listened on only some time after it was given */
export const LISTEN_TRIES = 50;
export const LISTEN_RETRY_MS = 100;

/** Ports that speak TLS from their first byte. What a rule opens there by name goes through the check of the server's name. */
export const TLS_PORTS: readonly number[] = [
  443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 5061, 5671, 6443, 6697, 8443, 8883, 9443,
];
export const TLS_HELLO_BYTES = 32_768;
export const TLS_HELLO_MS = 10_000;
export const TLS_CONNECT_MS = 30_000;
export const TLS_CONNECTIONS = 2_048;
export const TLS_MACHINE_CONNECTIONS = 512;

/** Addresses that stand for others while TLS is checked: of a block that the internet does not use, and of a random one of IPv6's private ones. */
export const STAND_IN_V4 = { prefix: "240.0.0.0/8", first: 240 } as const;
export const STAND_IN_V6 = { prefix: "fd69:7374:686d:7573::/64", head: "fd69:7374:686d:7573" } as const;
export const STAND_INS = 8_192;
/** stand-ins are used once round, so that a connection never meets its successor's address */
export const STAND_IN_ROUND = 2 ** 24 - 2;

/** kinds of refusals that are counted apart; the rest are counted together */
export const DENIALS = 1_024;
export const DENIALS_TOLD_EVERY_MS = 1_000;
/** Each look that finds nothing makes the next one later, up to this: a network where nothing is refused costs next to nothing. */
export const DENIALS_QUIET_FACTOR = 1.5;
export const DENIALS_QUIET_MOST = 5;
/** of one table of the kernel */
export const KERNEL_DENIALS = 4_096;
export const KERNEL_DENIALS_KEPT = "5m";

export const NFT_DEADLINE_MS = 20_000;
export const NFT_OUTPUT_BYTES = 64 * 1024 * 1024;
/** longer rules go through a file */
export const NFT_ARGUMENT_BYTES = 65_536;

export const CLIENT_APPLY_MS = 30_000;
export const CLIENT_STOP_MS = 10_000;
/** refusals that the daemon has not taken yet */
export const CLIENT_UNREAD = 4_096;
