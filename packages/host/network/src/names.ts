import { createHash } from "node:crypto";
import { MARK_CHARS, TAG_CHARS } from "./config.ts";

/** What a network is called on the host; no two daemons with data folders of their own have the same. */
export interface NetworkNames {
  readonly tag: string;
  /** of the namespace, for `ip netns` */
  readonly namespace: string;
  /** the host's end of the way out */
  readonly uplink: string;
  /** of the host's nftables */
  readonly table: string;
  /** of the bridge: the same when the network is made anew, for machines that were suspended still know the old one */
  readonly mac: string;
  /** that its namespace, the host's end and the table bear, for when nothing else tells whose they are */
  readonly mark: string;
}

export const UPLINK_PREFIX = "ist";
export const TABLE_PREFIX = "isthmus_";

export function namesOf(home: string, network: string): NetworkNames {
  const tag = createHash("sha256").update(`isthmus network ${home} ${network}`).digest("hex").slice(0, TAG_CHARS);
  const mac = ["06", "69", ...(tag.match(/../g) ?? [])].join(":");
  return {
    tag,
    namespace: `isthmus-${tag}`,
    uplink: `${UPLINK_PREFIX}${tag}`,
    table: `${TABLE_PREFIX}${tag}`,
    mac,
    mark: `${markOf(home)}${network}`,
  };
}

function markOf(home: string): string {
  return `isthmus:${createHash("sha256").update(`isthmus home ${home}`).digest("hex").slice(0, MARK_CHARS)}:`;
}

/** The network that a mark names, where it is of this home. */
export function markedBy(home: string, mark: string): string | undefined {
  const head = markOf(home);
  return mark.startsWith(head) ? mark.slice(head.length) : undefined;
}
