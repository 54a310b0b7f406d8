import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, type IsthmusError } from "@isthmus/contract";
import { RECONNECT_FIRST_MS, RECONNECT_LONGEST_MS } from "./config.ts";

/** A daemon that was lost in the middle of something that can go on with the next one. */
export interface LostDaemon {
  /** DAEMON_UNREACHABLE, or SHUTTING_DOWN when it was stopped in order */
  readonly cause: IsthmusError;
  /** tries since something last came through, this one included: 1, 2 … */
  readonly attempt: number;
  /** the call's own */
  readonly signal?: AbortSignal;
}

/** Asked when a daemon is lost: resolves when trying again is worth it, rejects to give up. */
export type Reconnect = (lost: LostDaemon) => Promise<void>;

/** Waits before a try: 50 ms, then twice as long each time, 2 s at most. Gives up with what was lost after `attempts` tries without success (default: never). */
export function backOff(options: { readonly attempts?: number } = {}): Reconnect {
  const { attempts = Number.POSITIVE_INFINITY } = options;
  return async ({ cause, attempt, signal }) => {
    if (attempt > attempts) throw cause;
    await sleep(Math.min(RECONNECT_LONGEST_MS, RECONNECT_FIRST_MS * 2 ** (attempt - 1)), undefined, { signal }).catch(() => {
      throw cause;
    });
  };
}

/** Whether another daemon may go on with what this error ended. */
function isLost(error: unknown): error is IsthmusError {
  return hasCode(error, "DAEMON_UNREACHABLE", "SHUTTING_DOWN");
}

interface Retry {
  readonly reconnect?: Reconnect;
  readonly signal?: AbortSignal;
}

/** `work`, again with each next daemon. */
export async function persist<T>(work: () => Promise<T>, { reconnect, signal }: Retry): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (cause) {
      if (!reconnect || !isLost(cause) || signal?.aborted) throw cause;
      await reconnect({ cause, attempt, signal });
    }
  }
}

/** All that `open` gives, which is called again with each next daemon to read on. */
export async function* persistAll<T>(open: () => AsyncIterable<T>, { reconnect, signal }: Retry): AsyncGenerator<T, void, undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      for await (const item of open()) {
        attempt = 1;
        yield item;
      }
      return;
    } catch (cause) {
      if (!reconnect || !isLost(cause) || signal?.aborted) throw cause;
      await reconnect({ cause, attempt, signal });
    }
  }
}
