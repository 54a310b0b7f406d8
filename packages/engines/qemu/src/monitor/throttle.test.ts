import { describe, expect, it } from "vitest";
import { throttleArguments } from "./throttle.ts";

describe("limits on disks", () => {
  it("are none when nothing is limited", () => {
    expect(throttleArguments({})).toBeUndefined();
    expect(throttleArguments({ cpuMax: 1, ioWeight: 5 })).toBeUndefined();
  });

  it("are QEMU's, each direction and kind by itself", () => {
    expect(throttleArguments({ ioWriteBps: { rate: 1000, burst: 5000, burstMs: 2500 }, ioReadIops: { rate: 10, burst: 20 } })).toEqual({
      bps: 0,
      iops: 0,
      bps_rd: 0,
      bps_wr: 1000,
      bps_wr_max: 5000,
      bps_wr_max_length: 3,
      iops_rd: 10,
      iops_rd_max: 20,
      iops_rd_max_length: 1,
      iops_wr: 0,
      group: "machine",
    });
  });
});
