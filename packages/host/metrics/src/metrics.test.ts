import { readFileSync } from "node:fs";
import type { HostStatus } from "@isthmus/contract";
import type { MetricsSource, StoredEvent } from "@isthmus/core";
import { describe, expect, it } from "vitest";
import { createMetrics } from "./metrics.ts";

const stall = { some10: 1.5, some60: 1, full10: 0.5, full60: 0 };
const hostile = 'a"b\\c\nd';

function status(tenants: number): HostStatus {
  return {
    limits: [
      { limit: "memory", unit: "bytes", used: 5, max: 10, source: "host", from: "" },
      { limit: "machines-per-tenant", scope: "t0", unit: "machines", used: 1, max: 3, source: "host", from: "" },
    ],
    queue: {
      length: 3,
      max: 1000,
      oldestMs: 1500,
      ageMaxMs: 1_800_000,
      tenants: Array.from({ length: tenants }, (_, index) => ({ tenant: `t${index}`, weight: 1, queued: 1, held: tenants - index })),
    },
    starts: { inFlight: 2, limit: 4, max: 16, mode: "adaptive", stretch: 1.25, ratePerSecond: 100, rateBurst: 1000, kinds: {} },
    refusals: { memory: 7 },
    facts: {
      cpus: 2,
      memoryTotalBytes: 100,
      memoryAvailableBytes: 50,
      diskFreeBytes: 10,
      processesLeft: 9,
      descriptorsLeft: 8,
      pressure: { source: "psi", atMs: 1, cpu: stall, memory: stall, io: stall },
    },
    measures: ["pools"],
    seats: [{ pool: hostile, product: "cad", used: 3, seats: 20 }],
  };
}

function source(tenants = 2) {
  const listeners: ((events: readonly StoredEvent[]) => void)[] = [];
  const fake: MetricsSource = {
    status: () => status(tenants),
    census: () =>
      Array.from({ length: tenants }, (_, index) => ({ state: "running", isolation: "microvm", tenant: `t${index}`, count: 2 })),
    onEvents(listener) {
      listeners.push(listener);
      return () => undefined;
    },
  };
  const tell = (type: string, details: Record<string, unknown>) => {
    for (const listener of listeners) listener([{ seq: 1, time: "", type, details }]);
  };
  return { fake, tell };
}

/** value by `name{labels}` */
function read(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]));
}

describe("metrics", () => {
  it("tell the host as it is when they are read", () => {
    const { fake } = source();
    const values = read(createMetrics(fake, "1.2.3").text());
    expect(values.get('isthmus_machines{state="running",isolation="microvm",tenant="t1"}')).toBe("2");
    expect(values.get('isthmus_limit_max{limit="memory",scope="",unit="bytes"}')).toBe("10");
    expect(values.get('isthmus_queue_length{tenant="t0"}')).toBe("1");
    expect(values.get("isthmus_queue_oldest_seconds")).toBe("1.5");
    expect(values.get('isthmus_refusals_total{limit="memory"}')).toBe("7");
    expect(values.get('isthmus_pressure_percent{resource="memory",kind="full",window="10s"}')).toBe("0.5");
    expect(values.get('isthmus_licence_seats_used{pool="a\\"b\\\\c\\nd",product="cad"}')).toBe("3");
    expect(values.get('isthmus_build_info{version="1.2.3"}')).toBe("1");
    expect(Number(values.get("process_resident_memory_bytes"))).toBeGreaterThan(1_000_000);
    expect(Number(values.get("process_open_fds"))).toBeGreaterThan(0);
  });

  it("count starts by how they came about, and waits", () => {
    const { fake, tell } = source();
    const metrics = createMetrics(fake, "1");
    tell("machine.running", { startedFrom: "pool", ms: 1080, queueMs: 1000 });
    tell("machine.running", { startedFrom: "template", ms: 200_000, queueMs: 0 });
    tell("machine.running", {});
    tell("machine.admitted", { waitedMs: 700 });
    tell("machine.failed", { code: "START_TIMEOUT" });
    const values = read(metrics.text());
    const start = (way: string, le: string) => values.get(`isthmus_start_seconds_bucket{way="${way}",le="${le}"}`);
    expect([start("pooled", "0.05"), start("pooled", "0.1"), start("pooled", "+Inf")]).toEqual(["0", "1", "1"]);
    expect([start("cloned", "120"), start("cloned", "+Inf")]).toEqual(["0", "1"]);
    expect(values.get('isthmus_start_seconds_count{way="cold"}')).toBe("0");
    expect(values.get('isthmus_queue_wait_seconds_sum{outcome="admitted"}')).toBe("0.7");
    expect(values.get('isthmus_start_failures_total{code="START_TIMEOUT"}')).toBe("1");
  });

  it("have a bounded number of series, however many tenants there are", () => {
    const values = read(createMetrics(source(5000).fake, "1").text());
    const of = (name: string) => [...values].filter(([key]) => key.startsWith(`${name}{`));
    expect(of("isthmus_machines")).toHaveLength(101);
    expect(of("isthmus_queue_length")).toHaveLength(101);
    expect(of("isthmus_machines").reduce((sum, [, value]) => sum + Number(value), 0)).toBe(10_000);
  });

  it("are all told of with help and type, and named once", () => {
    const text = createMetrics(source().fake, "1").text();
    const helped = [...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name);
    const typed = [...text.matchAll(/^# TYPE (\S+) (gauge|counter|histogram)$/gm)].map(([, name]) => name);
    expect(helped).toEqual(typed);
    expect(new Set(helped).size).toBe(helped.length);
    for (const key of read(text).keys()) expect(helped).toContain(key.replace(/\{.*/s, "").replace(/_(bucket|sum|count)$/, ""));
  });
});

describe("the dashboard", () => {
  it("asks for metrics that there are", () => {
    const text = readFileSync(new URL("../../../../docs/grafana/isthmus.json", import.meta.url), "utf8");
    const dashboard: { title: string; panels: { title: string; targets: { expr: string }[] }[] } = JSON.parse(text);
    const there = new Set(
      [
        ...createMetrics(source().fake, "1")
          .text()
          .matchAll(/^# TYPE (\S+)/gm),
      ].map(([, name]) => name),
    );
    const asked = dashboard.panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => expr.match(/\b(isthmus|process)_\w+/g) ?? []));
    expect(dashboard.panels.length).toBeGreaterThan(8);
    expect(asked.length).toBeGreaterThan(12);
    for (const name of asked) expect(there).toContain(name.replace(/_(bucket|sum|count)$/, ""));
  });
});
