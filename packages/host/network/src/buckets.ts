import type { NetworkRates } from "@isthmus/contract";
import { BUCKET_SHARE, BYTES_LEAST, BYTES_MOST, PACKETS_LEAST, QUEUE_BYTES_LEAST, QUEUE_SHARE } from "./config.ts";

type Rate = NonNullable<NetworkRates["netSendBps"]>;

/** how long a burst lasts that does not say so */
const BURST_MS = 1000;

/** What may be gone through at once, of a rate and of what a burst has more. */
function bucket({ rate, burst = rate, burstMs = BURST_MS }: Rate, least: number): number {
  return Math.min(BYTES_MOST, Math.max(least, Math.ceil(rate * BUCKET_SHARE), Math.ceil(((burst - rate) * burstMs) / 1000)));
}

/** Arguments of the queueing discipline tbf (tc-tbf(8)), which holds back what is too much and cuts what the guest or the host hands over in one piece. Pure. */
export function tbf(limit: Rate): string {
  const { rate, burst = rate } = limit;
  const size = bucket(limit, BYTES_LEAST);
  const queue = Math.min(BYTES_MOST, size + Math.max(QUEUE_BYTES_LEAST, Math.ceil(burst * QUEUE_SHARE)));
  const peak = burst > rate ? ` peakrate ${burst}bps mtu ${bucket({ rate: burst }, BYTES_LEAST)}` : "";
  return `tbf rate ${rate}bps burst ${size}${peak} limit ${queue}`;
}

/** Rules of nftables that drop the packets of a machine that are too many. Pure. */
export function packetRules(limit: Rate): readonly string[] {
  const { rate, burst = rate } = limit;
  const over = (pps: number, size: number) => `limit rate over ${pps}/second burst ${size} packets drop`;
  return [...(burst > rate ? [over(burst, bucket({ rate: burst }, PACKETS_LEAST))] : []), over(rate, bucket(limit, PACKETS_LEAST))];
}
