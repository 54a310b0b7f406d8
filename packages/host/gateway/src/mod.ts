export { GatewayClient, type GatewayPlace } from "./client.ts";
export { Gateways, type GatewaysParts } from "./gateways.ts";
