import { setTimeout as sleep } from "node:timers/promises";
import type { HostPressure } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { runCli } from "../cli.ts";
import { fakeDaemon } from "../testing/fake-daemon.ts";
import { cli, testWorld } from "../testing/test-world.ts";

const stall = { some10: 61.25, some60: 3, full10: 0, full60: 0 };
const report: HostPressure = {
  facts: {
    cpus: 2,
    memoryTotalBytes: 4 * 2 ** 30,
    memoryAvailableBytes: 2 ** 30,
    diskFreeBytes: 2 ** 30,
    processesLeft: 30_000,
    descriptorsLeft: 1000,
    pressure: { source: "load", atMs: 1, cpu: stall, memory: stall, io: stall },
  },
  pressed: ["cpu"],
  measures: ["weights"],
  watching: true,
  machines: [
    {
      id: "00112233445566aa",
      name: "bur\u001b[31mner",
      cpuPart: 1.5,
      memoryBytes: 2 ** 26,
      memorySource: "cgroup",
      readBytesPerSecond: 0,
      writeBytesPerSecond: 1024,
      operationsPerSecond: 7.4,
    },
  ],
};
const daemon = () => fakeDaemon(({ path }) => (path === "/host/pressure" ? { json: report } : undefined));

describe("top", () => {
  it("shows once what the host and its machines cost", async () => {
    await using fake = await daemon();
    const { code, out } = await cli(["top", "--once"], { socketPath: fake.socketPath });
    expect(code).toBe(0);
    expect(out).toMatch(/measures: +weights/);
    expect(out).toMatch(/PRESSURE \(estimated\)[\s\S]*cpu +61\.3 +3\.0 +0\.0 +0\.0 +pressed\n/);
    expect(out).toMatch(/001122334455 +bur\\x1b\[31mner +150\.0 +64\.0 MiB +0 B\/s +1\.0 KiB\/s +7\n/);
    expect(JSON.parse((await cli(["top", "--once", "--json"], { socketPath: fake.socketPath })).out)).toEqual(report);
  });

  it.each([
    ["a terminal", { columns: 80, rows: 24 }, true],
    ["a terminal without a size", { columns: 0, rows: 0 }, true],
    ["anything else", undefined, false],
  ])("goes on until Ctrl-C on %s and leaves it as it was", async (_what, terminal, drawn) => {
    await using fake = await daemon();
    const world = testWorld({ socketPath: fake.socketPath, terminal });
    const ended = runCli(["top"], world);
    while (!world.out().includes("PRESSURE")) await sleep(10);
    world.raise("SIGINT");
    expect(await ended).toBe(0);
    expect(world.out().startsWith("\u001b[?1049h\u001b[?25l")).toBe(drawn);
    expect(world.out().endsWith("\u001b[?25h\u001b[?1049l")).toBe(drawn);
  });
});
