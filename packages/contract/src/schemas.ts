export * from "./daemon.ts";
export * from "./image.ts";
export * from "./licence.ts";
export * from "./machine.ts";
export * from "./pressure.ts";
export * from "./resources.ts";
export * from "./snapshot.ts";
export * from "./template.ts";
