import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, IsthmusError } from "@isthmus/contract";
import type { RegistryLimits } from "./config.ts";

const systemCodes = /^(E[A-Z]+|ERR_STREAM_PREMATURE_CLOSE|HPE_[A-Z_]+|ERR_SSL_[A-Z_0-9]+|UND_ERR_[A-Z_]+)$/;
/** what another try cannot mend */
const lasting = new Set(["ENOTFOUND", "ENOSPC", "EDQUOT", "EPROTO", "EACCES", "EROFS", "EEXIST", "ENOENT"]);
const busyStatus = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What a failed exchange means, in our words. Errors of the disk stay as they are. */
export function registryFailure(error: unknown, registry: string): unknown {
  if (error instanceof IsthmusError || !(error instanceof Error)) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === "ENOSPC" || code === "EDQUOT" || code === "ABORT_ERR") return error;
  const reason = code === "" || error.message.includes(code) ? error.message : `${error.message} (${code})`;
  const again = systemCodes.test(code) && !lasting.has(code);
  return new IsthmusError("REGISTRY_UNREACHABLE", { registry, reason, again, code }, { cause: error });
}

function isTransient(error: unknown, answered: boolean): boolean {
  if (hasCode(error, "REGISTRY_UNREACHABLE")) return error.details.again !== false && (answered || error.details.code !== "ECONNREFUSED");
  return hasCode(error, "REGISTRY_BUSY", "REGISTRY_FAILED") && busyStatus.has(Number(error.details.status));
}

export interface RetryOptions {
  readonly registry: string;
  readonly limits: RegistryLimits;
  readonly signal?: AbortSignal | undefined;
  /** it has answered before: that nobody listens there will pass */
  readonly answered?: boolean;
  /** a try that brought something counts as none; called after each failed one */
  readonly hasProgress?: () => boolean;
  readonly onPause?: (error: IsthmusError, pauseMs: number) => void;
}

/** Tries until it works, fails for good, or the tries are used up. Pauses grow; Retry-After is honoured. */
export async function withRetries<T>(action: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { registry, limits, signal } = options;
  for (let failed = 0; ; ) {
    try {
      return await action();
    } catch (cause) {
      if (signal?.aborted === true) throw cause;
      const error = registryFailure(cause, registry);
      if (!isTransient(error, options.answered === true) || !(error instanceof IsthmusError)) throw error;
      failed = options.hasProgress?.() === true ? 1 : failed + 1;
      if (failed >= limits.tries) throw error;
      const asked = Number(error.details.retryAfterMs ?? 0);
      if (asked > limits.retryAfterMaxMs) throw error;
      const grown = Math.min(limits.backOffMaxMs, limits.backOffMs * 2 ** (failed - 1));
      const pauseMs = Math.max(asked, grown * (0.5 + Math.random() / 2));
      options.onPause?.(error, pauseMs);
      await sleep(pauseMs, undefined, { signal });
    }
  }
}
