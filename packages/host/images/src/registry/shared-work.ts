import { IsthmusError, type Progress } from "@isthmus/contract";

export interface Joined {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Running<T> {
  readonly listeners: Set<(progress: Progress) => void>;
  readonly stop: AbortController;
  readonly result: Promise<T>;
  /** the last report on each thing, for those who come late */
  readonly told: Map<string, Progress>;
  callers: number;
}

/** One piece of work for all who ask for the same at the same time: each sees its progress, and it is given up when the last of them has gone. */
export class SharedWork<T> {
  readonly #what: string;
  readonly #running = new Map<string, Running<T>>();

  constructor(what: string) {
    this.#what = what;
  }

  async join(
    key: string,
    { onProgress, signal }: Joined,
    work: (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    let running = this.#running.get(key);
    // What is being given up is over soon, and is then begun anew.
    while (running?.stop.signal.aborted === true) {
      await running.result.catch(() => undefined);
      running = this.#running.get(key);
    }
    const cancelled = new IsthmusError("CANCELLED", { what: this.#what });
    if (signal?.aborted === true) throw cancelled;
    running ??= this.#begin(key, work);
    const listener = careful(onProgress);
    for (const progress of running.told.values()) listener(progress);
    running.listeners.add(listener);
    running.callers += 1;
    const { promise: gone, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(cancelled);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([running.result, gone]);
    } finally {
      signal?.removeEventListener("abort", leave);
      running.listeners.delete(listener);
      running.callers -= 1;
      if (running.callers === 0) {
        running.stop.abort(cancelled);
        // Nothing of it is left when the last caller is told so.
        await running.result.catch(() => undefined);
      }
    }
  }

  #begin(key: string, work: (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<T>): Running<T> {
    const listeners = new Set<(progress: Progress) => void>();
    const told = new Map<string, Progress>();
    const stop = new AbortController();
    const onProgress = (progress: Progress): void => {
      told.set(progress.item ?? "", progress);
      for (const listener of listeners) listener(progress);
    };
    const result = work(onProgress, stop.signal).finally(() => this.#running.delete(key));
    result.catch(() => undefined);
    const running: Running<T> = { listeners, told, stop, result, callers: 0 };
    this.#running.set(key, running);
    return running;
  }
}

/** A listener's own failure is nobody else's. */
function careful(onProgress: ((progress: Progress) => void) | undefined): (progress: Progress) => void {
  let listener = onProgress;
  return (progress) => {
    try {
      listener?.(progress);
    } catch {
      listener = undefined;
    }
  };
}
