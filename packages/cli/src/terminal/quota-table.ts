import { formatBytes, type Quota } from "@isthmus/contract";
import { renderTable } from "./table.ts";

const headings = ["TENANT", "WEIGHT", "MACHINES", "VCPUS", "MEMORY", "DISK", "PORTS", "WAITING"];

/** A row for each: what it has, and what it may have where that is limited. */
export function quotaTable(quotas: readonly Quota[]): string {
  const count = (used: number, most: number | undefined) => (most === undefined ? String(used) : `${used}/${most}`);
  const amount = (used: number, most: number | undefined) =>
    most === undefined ? formatBytes(used) : `${formatBytes(used)}/${formatBytes(most)}`;
  const rows = quotas.map((quota) => [
    quota.tenant,
    String(quota.weight),
    count(quota.used.machines, quota.machines),
    count(quota.used.vcpus, quota.vcpus),
    amount(quota.used.memoryBytes, quota.memoryBytes),
    amount(quota.used.diskBytes, quota.diskBytes),
    count(quota.used.ports, quota.ports),
    count(quota.used.queued, quota.queued),
  ]);
  return renderTable(headings, rows, { right: headings.slice(1) });
}
