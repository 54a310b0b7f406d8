import { createHash } from "node:crypto";

/** A locally administered unicast MAC address (IEEE 802-2014, 8.4) that stays the same over the machine's restarts; 40 bits tell machines apart. */
export function macAddressOf(id: string): string {
  const bytes = createHash("sha256").update(`isthmus mac ${id}`).digest("hex").slice(0, 10);
  return ["02", ...(bytes.match(/../g) ?? [])].join(":");
}
