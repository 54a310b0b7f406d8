export type * from "./host/ports.ts";
export type * from "./image/ports.ts";
export type * from "./machine/ports.ts";
