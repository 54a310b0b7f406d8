import type { HostStatus } from "@isthmus/contract";

/** A host with nothing to do. */
export const fakeStatus: HostStatus = {
  limits: [{ limit: "machines", unit: "machines", used: 0, max: 10, source: "host", from: "as many as there are" }],
  queue: { length: 0, max: 256, oldestMs: 0, ageMaxMs: 1_800_000, tenants: [] },
  starts: { inFlight: 0, limit: 2, max: 128, mode: "adaptive", stretch: 1, ratePerSecond: 100, rateBurst: 1000, kinds: {} },
  refusals: {},
  facts: { cpus: 2, memoryTotalBytes: 4, memoryAvailableBytes: 2, diskFreeBytes: 1, processesLeft: 1, descriptorsLeft: 1 },
  measures: [],
  seats: [],
};
