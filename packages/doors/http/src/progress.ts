import type { Progress } from "@isthmus/contract";
import { PROGRESS_LINES } from "./config.ts";

/** Long work as an iteration: its progress, then `result` as the last item; a failure is thrown. Lines that a slow client misses are left out. */
export async function* followWork<T>(
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
): AsyncGenerator<Progress | T, void, undefined> {
  const waiting: Progress[] = [];
  let wake = Promise.withResolvers<void>();
  let over = false;
  const onProgress = (progress: Progress) => {
    if (waiting.length >= PROGRESS_LINES) waiting.shift();
    waiting.push(progress);
    wake.resolve();
  };
  const result = work(onProgress).finally(() => {
    over = true;
    wake.resolve();
  });
  // Thrown below, after the progress that came before.
  result.catch(() => undefined);
  while (!over || waiting.length > 0) {
    const next = waiting.shift();
    if (next) yield next;
    else {
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  }
  yield await result;
}
