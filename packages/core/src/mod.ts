export type * from "./host/ports.ts";
export type * from "./image/ports.ts";
export type * from "./machine/actions.ts";
export { type CrashPoint, type Crashpoint, crashPoints } from "./machine/crash-points.ts";
export { createMachines, type MachinesParts } from "./machine/machines.ts";
export type * from "./machine/ports.ts";
export type { TemplateActions } from "./template/actions.ts";
export type * from "./template/ports.ts";
export { type TemplateAnswer, Templates, type TemplatesParts } from "./template/templates.ts";
