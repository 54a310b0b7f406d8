import { type Block, blockHolds, plainBlock } from "@isthmus/contract";

const blocks = (texts: readonly string[]): Block[] => texts.flatMap((text) => plainBlock(text) ?? []);

/**
 * What no name and no wide block opens, only a rule that names nothing beyond it: services of clouds that give out keys, and addresses that mean the host, its links or all
 * machines. IPv6 also holds IPv4's in three dresses (mapped, NAT64, 6to4).
 */
export const never4: readonly Block[] = blocks([
  "0.0.0.0/8",
  "127.0.0.0/8",
  // metadata of most clouds is 169.254.169.254; ECS has 169.254.170.2
  "169.254.0.0/16",
  // metadata of Alibaba, of Oracle, and Azure's wire server
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "224.0.0.0/4",
  "240.0.0.0/4",
]);

export const never6: readonly Block[] = blocks([
  "::/127",
  "::ffff:0:0/96",
  "64:ff9b::a9fe:0/112",
  "64:ff9b::7f00:0/104",
  "2002:a9fe::/32",
  "2002:7f00::/24",
  "fd00:ec2::254",
  "fd20:ce::254",
  "fe80::/10",
  "ff00::/8",
]);

/** Private addresses: a name written out opens them, one that a wildcard matches does not, for others may give names below it. */
const private4 = blocks(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"]);
const private6 = blocks(["fc00::/7", "fec0::/10"]);

const anyHolds = (list: readonly Block[], inner: Block): boolean => list.some((outer) => blockHolds(outer, inner));

/** Whether a rule for this block names nothing but what is refused otherwise. `host` holds the host's and the gateway's addresses. */
export function namesRefused(block: Block, host: readonly Block[]): boolean {
  return anyHolds(host, block) || anyHolds(block.family === 4 ? never4 : never6, block);
}

/** Whether a name may open an address (in its one spelling). */
export function nameMayOpen(address: string, host: readonly Block[], wildcard: boolean): boolean {
  const block = plainBlock(address);
  if (!block || namesRefused(block, host)) return false;
  return !wildcard || !anyHolds(block.family === 4 ? private4 : private6, block);
}
