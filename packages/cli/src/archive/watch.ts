import type { Context } from "../context.ts";
import { escapeControls } from "../terminal/escape.ts";
import { progressView } from "../terminal/progress.ts";

/** Counts what a copy moves and shows it on a terminal. */
export interface CopyWatch {
  readonly bytes: (count: number) => void;
  readonly skipped: (name: string) => void;
  /** Ends the display; gives the sum. */
  stop(): number;
}

export function copyWatch(context: Context, quiet: boolean): CopyWatch {
  const { stderr } = context.world;
  const view = progressView(stderr, quiet || context.json || stderr.isTTY !== true);
  let doneBytes = 0;
  return {
    bytes(count) {
      doneBytes += count;
      view.update({ step: "copying", doneBytes });
    },
    skipped: (name) => context.note(`isthmus: left out, it is neither file, folder nor link: ${escapeControls(name)}`),
    stop() {
      view.stop();
      return doneBytes;
    },
  };
}
