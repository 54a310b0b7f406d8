import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { createGauge } from "./gauge.ts";
import { LoadEstimate } from "./load.ts";
import { createMeter } from "./machine-meter.ts";

const from = (files: Readonly<Record<string, string>>) => (path: string) => files[path];
const line = (kind: string, avg10: number, avg60: number) => `${kind} avg10=${avg10} avg60=${avg60} avg300=0.00 total=1\n`;
const meminfo = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\n";

describe("facts of a host", () => {
  it("are what the kernel's files say", () => {
    const gauge = createGauge({
      home: tmpdir(),
      now: () => 5,
      cpus: 4,
      read: from({
        "/proc/meminfo": meminfo,
        "/proc/pressure/cpu": line("some", 5.23, 29.05),
        "/proc/pressure/memory": line("some", 1, 2) + line("full", 0.5, 0.25),
        "/proc/pressure/io": line("some", 3, 4) + line("full", 2.5, 1),
        "/proc/loadavg": "0.10 0.20 0.30 1/300 999\n",
        "/proc/sys/kernel/pid_max": "32768\n",
        "/proc/sys/kernel/threads-max": "1000\n",
        "/proc/self/status": "Uid:\t1000\t1000\t1000\t1000\n",
        "/proc/self/limits":
          "Max processes             500                  500                  processes\nMax open files            unlimited            unlimited            files\n",
        "/proc/sys/fs/file-nr": "645\t0\t2466160\n",
      }),
    });
    const { diskFreeBytes, ...facts } = gauge.facts();
    expect(diskFreeBytes).toBeGreaterThan(0);
    expect(facts).toEqual({
      cpus: 4,
      memoryTotalBytes: 1000 * 1024,
      memoryAvailableBytes: 400 * 1024,
      processesLeft: 200,
      descriptorsLeft: 2466160 - 645,
      pressure: {
        source: "psi",
        atMs: 5,
        cpu: { some10: 5.23, some60: 29.05, full10: 0, full60: 0 },
        memory: { some10: 1, some60: 2, full10: 0.5, full60: 0.25 },
        io: { some10: 3, some60: 4, full10: 2.5, full60: 1 },
      },
    });
  });

  it("of this host are plausible", () => {
    const facts = createGauge({ home: tmpdir() }).facts();
    expect(facts.memoryAvailableBytes).toBeLessThan(facts.memoryTotalBytes);
    for (const value of Object.values({ ...facts, pressure: 1 })) expect(value).toBeGreaterThan(0);
    expect(Number.isSafeInteger(facts.processesLeft) && Number.isSafeInteger(facts.descriptorsLeft)).toBe(true);
  });
});

describe("a kernel without pressure", () => {
  it("has it estimated from load, free memory and waiting for disks", () => {
    const files: Record<string, string> = {
      "/proc/meminfo": meminfo,
      "/proc/loadavg": "4.00 1.00 1.00 1/300 999\n",
      "/proc/vmstat": "pgscan_direct 10\n",
      "/proc/stat": "cpu  100 0 100 800 0 0 0 0 0 0\n",
    };
    const estimate = new LoadEstimate((path) => files[path], 2);
    expect(estimate.sample(1)).toMatchObject({ source: "load", cpu: { some10: 50 }, memory: { some10: 0 }, io: { some10: 0 } });
    files["/proc/stat"] = "cpu  100 0 100 850 50 0 0 0 0 0\n";
    files["/proc/vmstat"] = "pgscan_direct 11\n";
    expect(estimate.sample(2)).toMatchObject({ memory: { some10: 20, full10: 0 }, io: { some10: 50 } });
    files["/proc/meminfo"] = "MemTotal:       1000 kB\nMemAvailable:    25 kB\n";
    expect(estimate.sample(3)).toMatchObject({ memory: { some10: 75, full10: 75 } });
  });
});

describe("what a process costs", () => {
  it("is told as rates since the measure before", async () => {
    const stat = (ticks: number) =>
      `7 (a) b) ${["S", ...Array<number>(10).fill(0), ticks, ticks, ...Array<number>(8).fill(0), 25].join(" ")}\n`;
    const io = (bytes: number) => `rchar: 1\nsyscr: ${bytes}\nsyscw: 0\nread_bytes: ${bytes}\nwrite_bytes: ${2 * bytes}\n`;
    const files: Record<string, string> = { "/proc/7/stat": stat(0), "/proc/7/io": io(0) };
    let now = 0;
    const meter = createMeter({ groupBytes: () => undefined, now: () => now, read: (path) => files[path] });
    const machines = [
      { id: "a", name: "a", pid: 7 },
      { id: "gone", name: "gone", pid: 8 },
    ];
    expect(await meter.measure(machines)).toMatchObject([{ id: "a", cpuPart: 0, memoryBytes: 25 * 4096, memorySource: "rss" }]);
    [now, files["/proc/7/stat"], files["/proc/7/io"]] = [2000, stat(100), io(1000)];
    expect(await meter.measure(machines)).toMatchObject([
      { cpuPart: 1, readBytesPerSecond: 500, writeBytesPerSecond: 1000, operationsPerSecond: 500 },
    ]);
  });

  it("is that of a real one", async () => {
    const child = spawn("yes", { stdio: ["ignore", "ignore", "ignore"] });
    try {
      const meter = createMeter({ groupBytes: () => 123 });
      const machines = [{ id: "yes", name: "yes", pid: child.pid ?? 0 }];
      await meter.measure(machines);
      const measured = async () => {
        const [use] = await meter.measure(machines);
        expect(use).toMatchObject({ memoryBytes: 123, memorySource: "cgroup" });
        return [(use?.cpuPart ?? 0) > 0.05, (use?.operationsPerSecond ?? 0) > 0];
      };
      await expect.poll(measured, { interval: 500 }).toEqual([true, true]);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });
});
