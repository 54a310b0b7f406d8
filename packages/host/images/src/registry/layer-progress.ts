import type { Progress } from "@isthmus/contract";
import { registryLimits } from "./config.ts";

/** digits of a digest that name a layer in progress reports */
export const ITEM_CHARS = 12;

/** Reports how far a layer is, in steps that are worth a line. */
export function layerProgress(
  onProgress: (progress: Progress) => void,
  step: string,
  item: string,
  totalBytes: number,
): (doneBytes: number) => void {
  let toldBytes = -1;
  return (doneBytes) => {
    if (doneBytes < totalBytes && toldBytes >= 0 && doneBytes >= toldBytes && doneBytes - toldBytes < registryLimits.progressBytes) return;
    toldBytes = doneBytes;
    onProgress({ step, item, doneBytes, totalBytes, percent: Math.floor((doneBytes * 100) / Math.max(1, totalBytes)) });
  };
}
