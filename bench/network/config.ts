import { MIB } from "@isthmus/contract";

/** One CPU, 128 MiB, as the guests by hand have. */
export const SPEC = { image: "busybox", cpus: 1, memoryBytes: 128 * MIB, stopTimeoutMs: 0 } as const;
export const IDLE = ["sleep", "100000"] as const;

/** the peer's address and ports; the namespaces are the bench's own, so nobody else has them */
export const PEER = "203.0.113.2";
export const ports = { sink: 5001, source: 5002, echo: 5003, web: 5004 } as const;

/** what one transfer carries */
export const TRANSFER_MIB = 16;
export const BLOCK_KIB = 64;
/** of one byte each, on one connection */
export const ROUND_TRIPS = 100;
/** one after another, each with a request and an answer */
export const CONNECTIONS = 200;
/** ms after which a measurement that has not ended never will */
export const DEADLINE_MS = 120_000;

/** the MTU that passt announces to guests that ask by DHCP, and what its throughput comes from */
export const PASST_MTU = 65_520;

/** what machines may lose to what Isthmus adds: nothing in user mode; a bridge, a veth pair and the gateway's rules on a network. `most`: of times, `least`: of rates. */
export const aims = { user: { least: 0.9, most: 1.15 }, network: { least: 0.8, most: 1.25 } } as const;
