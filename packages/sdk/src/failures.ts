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

/** DAEMON_UNREACHABLE with the reason that a person understands; an IsthmusError stays what it is. */
export function unreachable(address: Address, cause: unknown): IsthmusError {
  if (cause instanceof IsthmusError) return cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reason = reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new IsthmusError("DAEMON_UNREACHABLE", { address: address.label, reason }, { cause });
}

/** CANCELLED, told of a call whose signal was aborted. */
export function cancelled(call: { readonly method?: string; readonly path: string }, cause?: unknown): IsthmusError {
  return new IsthmusError("CANCELLED", { what: `${call.method ?? "GET"} ${call.path}` }, { cause });
}
