import { PATIENCE_PARTS } from "./config.ts";

/**
 * Calls `late` when another process has had `limit` ms. They are counted in parts: for however long this process is stopped, that is one of them, and what has come
 * meanwhile is read first. The returned function calls it off.
 */
export function patience(limit: number, late: () => void): () => void {
  let left = PATIENCE_PARTS;
  const timer = setInterval(() => {
    left -= 1;
    if (left > 0) return;
    clearInterval(timer);
    setImmediate(() => {
      if (!over) late();
    });
  }, limit / PATIENCE_PARTS);
  let over = false;
  return () => {
    over = true;
    clearInterval(timer);
  };
}
