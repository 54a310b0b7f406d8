import type { Metrics, MetricsSource, StoredEvent } from "@isthmus/core";
import { START_BUCKETS_S, WAIT_BUCKETS_S } from "./config.ts";
import { daemonMetrics } from "./daemon.ts";
import { CONTENT_TYPE, exposition, type Metric } from "./exposition.ts";
import { Histogram } from "./histogram.ts";
import { hostMetrics } from "./host.ts";

/** How a start came about, by `startedFrom` of its event. */
const ways: Readonly<Record<string, string>> = {
  boot: "cold",
  template: "cloned",
  zygote: "forked",
  pool: "pooled",
  snapshot: "snapshot",
  suspension: "resumed",
};

/** Listens to events from now on; everything else is asked for when somebody reads. */
export function createMetrics(source: MetricsSource, version: string): Metrics {
  const starts = new Histogram("way", START_BUCKETS_S, Object.values(ways));
  const waits = new Histogram("outcome", WAIT_BUCKETS_S, ["admitted", "refused"]);
  const failures = new Map<string, number>();
  source.onEvents((events) => {
    for (const event of events) take(event);
  });
  const take = ({ type, details }: StoredEvent): void => {
    if (type === "machine.running") started(starts, details);
    if (type === "machine.admitted" && typeof details.waitedMs === "number") waits.observe("admitted", details.waitedMs / 1000);
    if (type === "machine.refused" && typeof details.waitedMs === "number") waits.observe("refused", details.waitedMs / 1000);
    if (type === "machine.failed" && typeof details.code === "string") failures.set(details.code, (failures.get(details.code) ?? 0) + 1);
  };
  const counted = (): Metric[] => [
    {
      name: "isthmus_start_seconds",
      help: "Time of a start from when it was let in until its guest answered, by how it came about.",
      type: "histogram",
      samples: starts.samples(),
    },
    { name: "isthmus_queue_wait_seconds", help: "Time that starts waited in the queue.", type: "histogram", samples: waits.samples() },
    {
      name: "isthmus_start_failures_total",
      help: "Starts that failed since the daemon started, by error code.",
      type: "counter",
      samples: [...failures].map(([code, value]) => ({ labels: { code }, value })),
    },
    {
      name: "isthmus_build_info",
      help: "1; its label says which version runs.",
      type: "gauge",
      samples: [{ labels: { version }, value: 1 }],
    },
  ];
  return {
    contentType: CONTENT_TYPE,
    text: () => exposition([...hostMetrics(source.status(), source.census()), ...counted(), ...daemonMetrics()]),
  };
}

function started(starts: Histogram, { startedFrom, ms, queueMs }: StoredEvent["details"]): void {
  const way = typeof startedFrom === "string" ? ways[startedFrom] : undefined;
  if (way === undefined || typeof ms !== "number") return;
  starts.observe(way, (ms - (typeof queueMs === "number" ? queueMs : 0)) / 1000);
}
