import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSince } from "./since.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");

describe("parseSince", () => {
  it("reads times, Unix seconds and durations back from now", () => {
    expect(parseSince(undefined)).toBeUndefined();
    expect(parseSince("2026-01-31T12:00:00Z")).toBe(NOW);
    expect(parseSince("2026-01-31T13:00:00.250+01:00")).toBe(NOW + 250);
    expect(parseSince("1700000000")).toBe(1_700_000_000_000);
    expect(parseSince("1700000000.5")).toBe(1_700_000_000_500);
    expect(parseSince("10m", NOW)).toBe(NOW - 600_000);
    expect(parseSince("1h30m", NOW)).toBe(NOW - 5_400_000);
    expect(parseSince("99999999d", NOW)).toBe(0);
  });

  it("gives a time that a Date holds, or INVALID_REQUEST, for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\d.TZ:+-]{1,30}$/), fc.stringMatching(/^\d{1,30}[smhd]$/)), (text) => {
        try {
          const ms = parseSince(text, NOW);
          return ms !== undefined && !Number.isNaN(new Date(ms).getTime());
        } catch (error) {
          return error instanceof Error && "code" in error && error.code === "INVALID_REQUEST";
        }
      }),
      { numRuns: 2000 },
    );
  });
});
