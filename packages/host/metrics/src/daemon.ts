import { readdirSync } from "node:fs";
import { performance } from "node:perf_hooks";
import process from "node:process";
import type { Metric } from "./exposition.ts";

/** The daemon's own health, under the names that Prometheus' clients of all languages use. */
export function daemonMetrics(): Metric[] {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const gauge = (name: string, help: string, value: number): Metric => ({ name, help, type: "gauge", samples: [{ value }] });
  return [
    gauge("process_resident_memory_bytes", "Memory of the daemon that is in RAM.", rss),
    gauge("process_heap_bytes", "JavaScript objects of the daemon.", heapUsed),
    {
      name: "process_cpu_seconds_total",
      help: "Processor time of the daemon.",
      type: "counter",
      samples: [{ value: (user + system) / 1_000_000 }],
    },
    gauge("process_open_fds", "Files, sockets and pipes that the daemon has open.", openFiles()),
    gauge("process_start_time_seconds", "When the daemon started, in seconds since 1970.", performance.timeOrigin / 1000),
    gauge(
      "isthmus_daemon_event_loop_utilization",
      "Part of its life that the daemon's event loop was busy, 0 to 1.",
      performance.eventLoopUtilization().utilization,
    ),
  ];
}

function openFiles(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return Number.NaN;
  }
}
