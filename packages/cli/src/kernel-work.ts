import type { Kernel } from "@isthmus/contract";
import type { Isthmus, ProgressOptions } from "@isthmus/sdk";
import type { Context } from "./context.ts";
import { escapeControls } from "./terminal/escape.ts";
import { progressView } from "./terminal/progress.ts";

/** Fetches or builds a kernel with progress, then names it. */
export async function kernelWork(context: Context, work: (isthmus: Isthmus, options: ProgressOptions) => Promise<Kernel>): Promise<void> {
  const isthmus = await context.client();
  const view = progressView(context.world.stderr, context.json);
  try {
    const kernel = await work(isthmus, { onProgress: view.update });
    view.stop();
    if (context.json) await context.printJson(kernel);
    else await context.print(`${escapeControls(`${kernel.version} (${kernel.source}) ${kernel.path}`)}\n`);
  } finally {
    view.stop();
  }
}
