export { GatewayClient, type GatewayPlace } from "./client.ts";
