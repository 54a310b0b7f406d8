export { createGauge } from "./gauge.ts";
export { createMeter } from "./machine-meter.ts";
