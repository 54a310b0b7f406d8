import type { QueuePosition } from "@isthmus/contract";
import type { MachineHandle } from "@isthmus/sdk";
import { QUEUE_POLL_MS } from "../config.ts";
import type { Context } from "../context.ts";
import { escapeControls } from "../terminal/escape.ts";
import { type ProgressView, progressView } from "../terminal/progress.ts";

/** Tells of the place of one start, undefined while it waits no more. */
type PlaceView = (place: QueuePosition | undefined) => void;

/** Tells where a start stands in the queue for as long as it waits: on a terminal in a line that moves, elsewhere once, and again when it comes to wait for something else. The returned function ends that and takes the line away. */
export function showQueuePlace(context: Context, handle: MachineHandle): () => void {
  if (context.json) return () => undefined;
  const view = context.world.stderr.isTTY === true ? movingPlace(context) : plainPlace(context);
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const look = async (): Promise<void> => {
    // What cannot be told is no fault of the start.
    const told = await handle.why().catch(() => undefined);
    if (over) return;
    view(told?.place);
    timer = setTimeout(() => void look(), QUEUE_POLL_MS);
    timer.unref();
  };
  timer = setTimeout(() => void look(), QUEUE_POLL_MS);
  timer.unref();
  return () => {
    over = true;
    clearTimeout(timer);
    view(undefined);
  };
}

function movingPlace({ world }: Context): PlaceView {
  let line: ProgressView | undefined;
  return (place) => {
    if (place) {
      line ??= progressView(world.stderr, false);
      line.update({ step: "waiting", message: place.text });
    } else {
      line?.stop();
      line = undefined;
    }
  };
}

function plainPlace(context: Context): PlaceView {
  let said: string | undefined;
  return (place) => {
    if (!place) return;
    const { cause, shortage, text } = place;
    const why = [cause, shortage?.limit, shortage?.scope].join(" ");
    if (why !== said) context.note(`waiting: ${escapeControls(text)}`);
    said = why;
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
