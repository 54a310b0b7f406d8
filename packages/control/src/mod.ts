export { ControlClient, type Dialect, type Numbered } from "./client.ts";
export { evict } from "./evict.ts";
export { checked, member, parsed, replyOf, wrong } from "./messages.ts";
export { ControlServer } from "./server.ts";
export { openControl, type Program, startControl } from "./start.ts";
