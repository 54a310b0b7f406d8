import type { Isthmus } from "@isthmus/sdk";
import type { Context } from "./context.ts";
import { reportFailure } from "./failure.ts";

/** targets that one command works on at the same time */
const PARALLEL = 16;

/** Runs `work` on all items, a bounded number at a time; results in the order of the items, failures as they are. */
export async function settleAll<I, T>(items: readonly I[], work: (item: I) => Promise<T>): Promise<readonly PromiseSettledResult<T>[]> {
  const results: PromiseSettledResult<T>[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      results[index] = await work(item).then(
        (value) => ({ status: "fulfilled", value }) as const,
        (reason: unknown) => ({ status: "rejected", reason }) as const,
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
  return results;
}

/**
 * Does the same with each target and prints what `show` makes of it, by default the target as it was named, as docker does; with --json an array of the
 * results. One that fails does not keep the others from their turn; its error decides the exit code.
 */
export async function eachTarget<T>(
  context: Context,
  refs: readonly string[],
  work: (isthmus: Isthmus, ref: string) => Promise<T>,
  show: (result: T, ref: string) => string = (_, ref) => `${ref}\n`,
): Promise<void> {
  const isthmus = await context.client();
  const results = await settleAll(refs, (ref) => work(isthmus, ref));
  const done: T[] = [];
  for (const [index, result] of results.entries()) {
    if (result.status === "fulfilled") {
      done.push(result.value);
      if (!context.json) await context.print(show(result.value, refs[index] ?? ""));
    } else {
      context.exitCode ||= reportFailure(context, result.reason);
    }
  }
  if (context.json) await context.printJson(done);
}

/** All that a stream of results gives. */
export async function gather<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
