import { formatBytes, formatDuration, type HostStatus, type LimitUse } from "@isthmus/contract";
import { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help.ts";
import { renderPairs, renderTable } from "../terminal/table.ts";

export function hostStatus(context: Context): Command {
  return new Command("status")
    .description(
      "Show every limit of this host with what is used of it and where it comes from, the queue of starts, pressure, and licence seats.",
    )
    .addHelpText(
      "after",
      examples([["isthmus host status"], ["isthmus host status --json | jq '.limits[] | select(.used >= .max)'", "what is used up"]]),
    )
    .action(async () => {
      const isthmus = await context.client();
      const status = await isthmus.host.status();
      if (context.json) return context.printJson(status);
      await context.print(`${overview(status)}\n${limitsTable(status.limits)}${tenantsTable(status)}${seatsTable(status)}`);
    });
}

function overview({ queue, starts, facts, measures, refusals }: HostStatus): string {
  const { pressure } = facts;
  const stall = (kind: "cpu" | "memory" | "io") => `${kind} ${pressure?.[kind].some10.toFixed(1)}/${pressure?.[kind].full10.toFixed(1)} %`;
  const oldest = queue.length === 0 ? "" : `, the first for ${formatDuration(queue.oldestMs)}`;
  const rate = starts.ratePerSecond === 0 ? "" : `; ${starts.ratePerSecond} a second, ${starts.rateBurst} at once`;
  const refused = Object.entries(refusals).map(([limit, count]) => `${count} ${limit}`);
  return renderPairs([
    ["Queue", `${queue.length} of ${queue.max}${oldest}`],
    [
      "Starts",
      `${starts.inFlight} of ${starts.limit} in flight (${starts.mode}, most ${starts.max}, stretch ${starts.stretch.toFixed(2)})${rate}`,
    ],
    ["Refused", refused.join(", ") || "none since the daemon started"],
    ["Memory", `${formatBytes(facts.memoryAvailableBytes)} of ${formatBytes(facts.memoryTotalBytes)} available`],
    ["Pressure", pressure === undefined ? "not known" : `${(["cpu", "memory", "io"] as const).map(stall).join(", ")} (some/full, 10 s)`],
    ["Measures", measures.join(", ") || "none"],
  ]);
}

function amount({ unit }: LimitUse, value: number): string {
  if (unit === "bytes") return formatBytes(value);
  return unit === "ms" ? formatDuration(value) : String(Math.round(value));
}

function limitsTable(limits: readonly LimitUse[]): string {
  const rows = limits.map((one) => [
    one.scope === undefined ? one.limit : `${one.limit} ${one.scope}`,
    amount(one, one.used),
    amount(one, one.max),
    one.from,
    one.setting ?? "",
  ]);
  return renderTable(["LIMIT", "USED", "MOST", "FROM", "SETTING"], rows, { right: ["USED", "MOST"] });
}

function tenantsTable({ queue }: HostStatus): string {
  if (queue.tenants.length === 0) return "";
  const rows = queue.tenants.map(({ tenant, weight, queued, held }) => [tenant, weight, held, queued]);
  return `\n${renderTable(["TENANT", "WEIGHT", "MACHINES", "WAITING"], rows, { right: ["WEIGHT", "MACHINES", "WAITING"] })}`;
}

function seatsTable({ seats }: HostStatus): string {
  if (seats.length === 0) return "";
  const rows = seats.map(({ pool, product, used, seats: all }) => [pool, product, used, all]);
  return `\n${renderTable(["LICENCE POOL", "PRODUCT", "USED", "SEATS"], rows, { right: ["USED", "SEATS"] })}`;
}
