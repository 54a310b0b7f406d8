export type { WantedAccelerator } from "./accelerator.ts";
export { createQemuEngine, type QemuEngine, type QemuEngineOptions } from "./engine.ts";
export type { EngineLog } from "./engine-log.ts";
