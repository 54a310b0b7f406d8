import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import tls from "node:tls";
import { IsthmusError } from "@isthmus/contract";
import { type Address, type TlsAddress, tlsOptions } from "./address.ts";
import { REFUSAL_MS } from "./config.ts";
import { unreachable } from "./failures.ts";

/** Alerts by which a server tells that it does not take the client's certificate (RFC 8446, 6.2). */
const refusals = /_ALERT_(CERTIFICATE_(REQUIRED|EXPIRED|REVOKED|UNKNOWN)|UNKNOWN_CA|(BAD|UNSUPPORTED)_CERTIFICATE)$/;

/**
 * What kept a new connection from its first answer: CLIENT_CERTIFICATE_REFUSED, else DAEMON_UNREACHABLE. In TLS 1.3 a client is done before the server
 * has looked at its certificate, so a refusal shows as a connection that is lost, as that of a daemon that dies does. A connection on which nothing is
 * asked tells which: a daemon that takes the certificate waits for a request.
 */
export async function explain(address: Address, cause: unknown): Promise<IsthmusError> {
  const code = codeOf(cause);
  if (address.kind !== "tls") return unreachable(address, cause);
  const lost = code === "ECONNRESET" || code === "EPIPE";
  if (!refusals.test(code) && !(lost && (await refuses(address)))) return unreachable(address, cause);
  return new IsthmusError("CLIENT_CERTIFICATE_REFUSED", { address: address.label, reason: reasonOf(address) }, { cause });
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

function refuses(address: TlsAddress): Promise<boolean> {
  const { host, port } = address;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = tls.connect({ ...tlsOptions(address), host, port, ...(isIP(host) ? {} : { servername: host }) });
  let agreed = false;
  const timer = setTimeout(() => socket.destroy(), REFUSAL_MS);
  let verdict = false;
  socket.once("secureConnect", () => (agreed = true));
  socket.once("end", () => (verdict ||= agreed));
  socket.on("error", (error) => (verdict ||= refusals.test(codeOf(error)) || (agreed && codeOf(error) === "ECONNRESET")));
  socket.once("close", () => {
    clearTimeout(timer);
    resolve(verdict);
  });
  socket.resume();
  return promise;
}

function reasonOf({ certificate }: TlsAddress): string {
  if (certificate === undefined) return "it asks for a client certificate, and none was given";
  const { subject, issuer, validFromDate, validToDate } = new X509Certificate(certificate);
  const name = subject.replaceAll("\n", ", ");
  if (validToDate.getTime() < Date.now()) return `the client certificate (${name}) has expired, at ${validToDate.toISOString()}`;
  if (validFromDate.getTime() > Date.now()) return `the client certificate (${name}) is not valid before ${validFromDate.toISOString()}`;
  return `the client certificate (${name}) is not one for clients by an authority that it trusts; it is signed by ${issuer.replaceAll("\n", ", ")}`;
}
