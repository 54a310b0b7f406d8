import { expect, it } from "vitest";
import { readPools } from "./pool-settings.ts";

it("pools have a minimum, a maximum, a half-life and zygotes", () => {
  expect(readPools({})).toEqual({ min: 0, max: 4, halfLifeMs: 60_000, zygotes: true });
  const set = { ISTHMUS_POOL_MIN: "2", ISTHMUS_POOL_MAX: "16", ISTHMUS_POOL_HALF_LIFE: "5m" };
  expect(readPools(set)).toEqual({ min: 2, max: 16, halfLifeMs: 300_000, zygotes: true });
  expect(readPools({ ISTHMUS_POOL_MAX: "0", ISTHMUS_ZYGOTES: "off" })).toMatchObject({ max: 0, zygotes: false });
});

it.each([
  ["ISTHMUS_POOL_MAX", "-1", "from 0 to 64"],
  ["ISTHMUS_POOL_MAX", "65", "from 0 to 64"],
  ["ISTHMUS_ZYGOTES", "perhaps", "on or off"],
  ["ISTHMUS_POOL_MIN", "-1", "from 0 to 64"],
  ["ISTHMUS_POOL_MIN", "5", "at most ISTHMUS_POOL_MAX, which is 4"],
  ["ISTHMUS_POOL_HALF_LIFE", "long", "a duration"],
  ["ISTHMUS_POOL_HALF_LIFE", "0", "a duration"],
])("%s=%s is refused", (field, value, reason) => {
  expect(() => readPools({ [field]: value })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  expect(() => readPools({ [field]: value })).toThrow(reason);
});
