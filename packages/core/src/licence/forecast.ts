import type { LicenceDay, LicenceForecast } from "@isthmus/contract";
import { DAY_MS, FORECAST_AHEAD_DAYS, FORECAST_DAYS_MAX, FORECAST_DAYS_MIN } from "./config.ts";

/** When the daily high-water mark reaches `total` if it goes on as it did: a straight line through the latest marks. */
export function forecast(days: readonly LicenceDay[], total: number, nowMs: number): LicenceForecast {
  const used = days.slice(-FORECAST_DAYS_MAX);
  const last = used.at(-1);
  if (last !== undefined && total > 0 && last.highWater >= total) {
    return {
      exhaustedAt: last.highWaterAt,
      seatsPerDay: rounded(slopeOf(used)),
      days: used.length,
      reason: `all ${total} seats were in use on ${last.day}`,
    };
  }
  if (last === undefined || used.length < FORECAST_DAYS_MIN) {
    return { seatsPerDay: 0, days: used.length, reason: `too early to tell: ${used.length} of at least ${FORECAST_DAYS_MIN} days` };
  }
  const slope = slopeOf(used);
  const about = { seatsPerDay: rounded(slope), days: used.length };
  const days_ = (total - levelAt(used, slope)) / slope;
  if (slope <= 0 || !Number.isFinite(days_) || days_ > FORECAST_AHEAD_DAYS) return { ...about, reason: "it does not grow" };
  const exhaustedMs = Math.max(nowMs, Date.parse(last.day) + Math.max(0, days_) * DAY_MS);
  const exhaustedAt = new Date(exhaustedMs).toISOString();
  return { ...about, exhaustedAt, reason: `at ${rounded(slope)} seats more a day all ${total} are in use on ${exhaustedAt.slice(0, 10)}` };
}

const numberOf = (day: LicenceDay) => Date.parse(day.day) / DAY_MS;

/** Seats a day, by least squares. */
function slopeOf(days: readonly LicenceDay[]): number {
  const x = mean(days.map(numberOf));
  const y = mean(days.map(({ highWater }) => highWater));
  let above = 0;
  let below = 0;
  for (const day of days) {
    above += (numberOf(day) - x) * (day.highWater - y);
    below += (numberOf(day) - x) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

/** What the line says for the last of the days. */
function levelAt(days: readonly LicenceDay[], slope: number): number {
  const last = days.at(-1);
  const y = mean(days.map(({ highWater }) => highWater));
  return last === undefined ? 0 : y + slope * (numberOf(last) - mean(days.map(numberOf)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
