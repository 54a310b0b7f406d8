import { watch } from "node:fs";
import { FOLLOW_FALLBACK_MS } from "./config.ts";

/** Wakes a follower when a file changed: by inotify, and by a timer where that says nothing. */
export class Changes implements Disposable {
  readonly #close: () => void;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    this.#close = watching(path, () => this.poke());
  }

  /** Counts as a change. */
  poke(): void {
    this.#changed = true;
    this.#wake?.();
  }

  /** Resolves at the next change, or at once when there was one since the last call. */
  async next(): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, FOLLOW_FALLBACK_MS);
        timer.unref();
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

/** Calls `changed` on each change of `path` until the result is called. Without inotify (no watches left) nothing is announced. */
export function watching(path: string, changed: () => void): () => void {
  try {
    const watcher = watch(path, { persistent: false }, changed);
    watcher.on("error", () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => {};
  }
}
