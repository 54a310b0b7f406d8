export type { WantedAccelerator } from "./accelerator/accelerator.ts";
export { savedDiskPath } from "./capture/files.ts";
export { createQcow2 } from "./capture/qcow2.ts";
export { createQemuEngine, type QemuEngine, type QemuEngineOptions } from "./engine.ts";
export type { EngineLog } from "./engine-log.ts";
