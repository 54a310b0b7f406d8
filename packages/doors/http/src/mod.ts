export type { App, DoorDeps, DoorLog } from "./deps.ts";
export { createHttpDoor, type HttpDoor, type ListenOptions, type TcpOptions } from "./door.ts";
export { clientCaFault, type TlsKeys } from "./tls-keys.ts";
