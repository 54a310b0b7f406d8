import type { MachineHandle } from "@isthmus/sdk";
import { QUEUE_POLL_MS } from "../config.ts";
import type { Context } from "../context.ts";
import { type ProgressView, progressView } from "../terminal/progress.ts";

/** On a terminal, tells where a start stands in the queue for as long as it waits. The returned function ends that and takes the line away. */
export function showQueuePlace(context: Context, handle: MachineHandle): () => void {
  const { stderr } = context.world;
  if (context.json || stderr.isTTY !== true) return () => undefined;
  let view: ProgressView | undefined;
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const look = async (): Promise<void> => {
    // What cannot be told is no fault of the start.
    const told = await handle.why().catch(() => undefined);
    if (over) return;
    if (told?.place) {
      view ??= progressView(stderr, false);
      view.update({ step: "waiting", message: told.place.text });
    } else {
      view?.stop();
      view = undefined;
    }
    timer = setTimeout(() => void look(), QUEUE_POLL_MS);
    timer.unref();
  };
  timer = setTimeout(() => void look(), QUEUE_POLL_MS);
  timer.unref();
  return () => {
    over = true;
    clearTimeout(timer);
    view?.stop();
  };
}

/** Does what starts a machine. Where several are started at once none tells its place: there is one line for it. */
export async function startingShown<T>(
  context: Context,
  handle: MachineHandle,
  started: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  const hide = started.length === 1 ? showQueuePlace(context, handle) : () => undefined;
  try {
    return await work();
  } finally {
    hide();
  }
}
