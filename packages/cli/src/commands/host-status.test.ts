import type { HostStatus, Why } from "@isthmus/contract";
import { describe, expect, it } from "vitest";
import { failure, fakeDaemon } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";

const stall = { some10: 12.34, some60: 3, full10: 1.5, full60: 0 };
const status: HostStatus = {
  limits: [
    {
      limit: "machines-per-isolation",
      scope: "microvm",
      unit: "machines",
      used: 3,
      max: 4,
      source: "setting",
      setting: "ISTHMUS_MICROVMS_MAX",
      from: "set",
    },
    { limit: "memory", unit: "bytes", used: 2 ** 29, max: 2 ** 33, source: "host", from: "8.2 GiB less 256 MiB" },
  ],
  queue: {
    length: 7,
    max: 256,
    oldestMs: 65_000,
    ageMaxMs: 1_800_000,
    tenants: [{ tenant: "te\u001b[31mam", weight: 2, queued: 7, held: 3 }],
  },
  starts: { inFlight: 2, limit: 5, max: 128, mode: "adaptive", stretch: 1.256, ratePerSecond: 100, rateBurst: 1000, kinds: {} },
  refusals: { memory: 12 },
  facts: {
    cpus: 2,
    memoryTotalBytes: 2 ** 33,
    memoryAvailableBytes: 2 ** 32,
    diskFreeBytes: 1,
    processesLeft: 1,
    descriptorsLeft: 1,
    pressure: { source: "psi", atMs: 1, cpu: stall, memory: stall, io: stall },
  },
  measures: ["pools"],
  seats: [{ pool: "cad", product: "cad", used: 19, seats: 20 }],
};
const why: Why = {
  id: "a",
  name: "we\u001bb",
  state: "queued",
  summary: "we\u001bb waits",
  reasons: ["because of memory", "priority high"],
};

describe("host status", () => {
  it("shows limits, queue, pressure and seats", async () => {
    await using daemon = await fakeDaemon(({ path }) => (path === "/host" ? { json: status } : undefined));
    const { code, out } = await cli(["host", "status"], { socketPath: daemon.socketPath });
    expect(code).toBe(0);
    expect(out).toMatch(/Queue: +7 of 256, the first for 1 minute\n/);
    expect(out).toMatch(/Starts: +2 of 5 in flight \(adaptive, most 128, stretch 1\.26\); 100 a second, 1000 at once\n/);
    expect(out).toMatch(/Refused: +12 memory\n/);
    expect(out).toMatch(/Pressure: +cpu 12\.3\/1\.5 %, memory 12\.3\/1\.5 %/);
    expect(out).toMatch(/\nmachines-per-isolation microvm +3 +4 +set +ISTHMUS_MICROVMS_MAX\n/);
    expect(out).toMatch(/\nmemory +512 MiB +8\.0 GiB +8\.2 GiB less 256 MiB\n/);
    expect(out).toMatch(/\nte\\x1b\[31mam +2 +3 +7\n/);
    expect(out).toMatch(/\ncad +cad +19 +20\n$/);
    expect(JSON.parse((await cli(["host", "status", "--json"], { socketPath: daemon.socketPath })).out)).toEqual(status);
  });
});

describe("why", () => {
  it("says it in a sentence and its reasons, and passes errors on", async () => {
    await using daemon = await fakeDaemon(({ path }) =>
      path === "/machines/web/why" ? { json: why } : failure("MACHINE_NOT_FOUND", "no machine nope", 404),
    );
    const at = { socketPath: daemon.socketPath };
    expect(await cli(["why", "web"], at)).toMatchObject({ code: 0, out: "we\\x1bb waits\n  because of memory\n  priority high\n" });
    expect(JSON.parse((await cli(["why", "web", "--json"], at)).out)).toEqual(why);
    expect(await cli(["why", "nope"], at)).toMatchObject({ code: 1, err: expect.stringContaining("no machine nope") });
  });
});
