import { IsthmusError } from "@isthmus/contract";
import type { Address } from "./address.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ECONNREFUSED: "nobody listens there",
  EACCES: "no permission to use it",
  EPERM: "no permission to use it",
  ECONNRESET: "the connection was lost",
  EPIPE: "the connection was lost",
  ETIMEDOUT: "it did not answer in time",
};

/** codes of Node and OpenSSL that tell of the daemon's certificate */
const certificate = /^(ERR_TLS_CERT_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_)/;

/** DAEMON_UNREACHABLE with the reason that a person understands; an IsthmusError stays what it is. */
export function unreachable(address: Address, cause: unknown): IsthmusError {
  if (cause instanceof IsthmusError) return cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reason = reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new IsthmusError("DAEMON_UNREACHABLE", { address: address.label, reason, help: helpFor(address, code) }, { cause });
}

/** DAEMON_UNREACHABLE of a connection that ended without a word. */
export function lost(address: Address): IsthmusError {
  return new IsthmusError("DAEMON_UNREACHABLE", { address: address.label, reason: reasons.ECONNRESET, help: helpFor(address, "") });
}

/** A daemon of another host is not started from here. */
function helpFor({ kind }: Address, code: string): string {
  if (kind === "socket" && reasons[code] === reasons.EACCES) return "Be the user that the daemon runs as: its socket is that user's alone.";
  if (kind === "socket") return "Start it: isthmus daemon start";
  if (certificate.test(code))
    return "Give the PEM of the authority that signed its certificate (ISTHMUS_CA_FILE, or ca of the SDK), and name it by a name or address that its certificate has.";
  return "Check its host and port (ISTHMUS_URL, or url of the SDK) and what lies between. On its host: isthmus daemon status tells whether it runs; it listens there when it was started with ISTHMUS_TCP_ADDRESS.";
}

/** CANCELLED, told of a call whose signal was aborted. */
export function cancelled(call: { readonly method?: string; readonly path: string }, cause?: unknown): IsthmusError {
  return new IsthmusError("CANCELLED", { what: `${call.method ?? "GET"} ${call.path}` }, { cause });
}
