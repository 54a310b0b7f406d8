import { IsthmusError } from "@isthmus/contract";

export function badImage(reason: string, cause?: unknown): IsthmusError {
  return new IsthmusError("BAD_IMAGE", { reason }, { cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** True for the errors of a full disk or a spent quota. */
export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

const interrupted = new Set(["ABORT_ERR", "ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET", "ERR_STREAM_DESTROYED"]);

/** What the caller of the store gets: codes of ours as they are, a full disk as DISK_FULL, a cut upload as CANCELLED, broken compression as BAD_IMAGE. */
export function imageFailure(error: unknown, what: string, signal?: AbortSignal): IsthmusError {
  if (signal?.aborted === true) return new IsthmusError("CANCELLED", { what }, { cause: error });
  if (error instanceof IsthmusError) return error;
  if (isDiskFull(error)) return new IsthmusError("DISK_FULL", { what }, { cause: error });
  const code = codeOf(error);
  if (interrupted.has(code)) return new IsthmusError("CANCELLED", { what }, { cause: error });
  if (/^(Z_|ZSTD_|ERR_ZSTD|ERR_ZLIB|ERR_BUFFER)/.test(code)) return badImage(`its compression is broken (${code})`, error);
  return IsthmusError.from(error);
}

export function throwIfCancelled(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw new IsthmusError("CANCELLED", { what });
}
