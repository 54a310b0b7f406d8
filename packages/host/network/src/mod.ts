export { createNetworkHost, type NetworkHostOptions } from "./network-host.ts";
export type { NetworkGateway, StartGateway } from "./present.ts";
