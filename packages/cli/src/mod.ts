export { runCli } from "./cli.ts";
export type { World } from "./context.ts";
