export { type DaemonConfig, readConfig } from "./config.ts";
export { type RunningDaemon, startDaemon } from "./daemon.ts";
export { openLog } from "./log.ts";
