import type { Progress } from "@isthmus/contract";
import { streaming } from "./config.ts";

/** Tells how far a step is; small steps are swallowed. */
export type Reporter = (step: string, doneBytes: number, totalBytes?: number) => void;

/** A listener's own failure must not break the import: it is told nothing more. */
export function reporter(onProgress: ((progress: Progress) => void) | undefined): Reporter {
  let listener = onProgress;
  let lastStep = "";
  let lastBytes = 0;
  return (step, doneBytes, totalBytes) => {
    if (listener === undefined) return;
    const finished = doneBytes === totalBytes;
    if (step === lastStep && !finished && doneBytes >= lastBytes && doneBytes - lastBytes < streaming.progressBytes) return;
    lastStep = step;
    lastBytes = doneBytes;
    const percent = totalBytes === undefined || totalBytes === 0 ? undefined : Math.min(100, Math.floor((doneBytes * 100) / totalBytes));
    try {
      listener({ step, doneBytes, ...(totalBytes === undefined ? {} : { totalBytes }), ...(percent === undefined ? {} : { percent }) });
    } catch {
      listener = undefined;
    }
  };
}
