import { isIPv4 } from "node:net";

/** True for names and addresses of this host itself. `host` is a URL's host name, IPv6 in brackets or not. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return name === "localhost" || name === "::1" || (isIPv4(name) && name.startsWith("127."));
}
