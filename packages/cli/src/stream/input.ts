import type { Writable } from "node:stream";
import type { InputStream } from "../context.ts";
import { DetachKeys } from "./detach.ts";

export interface InputPump {
  /** Resolves when the detach keys were typed; else never. */
  readonly detached: Promise<void>;
  /** Takes our hands off stdin. */
  stop(): void;
}

/** Sends our stdin on: its end becomes the workload's end of input, and a workload that does not read holds our reading up. */
export function pumpInput(source: InputStream, target: Writable, options: { readonly detachable: boolean }): InputPump {
  const keys = options.detachable ? new DetachKeys() : undefined;
  const detached = Promise.withResolvers<void>();
  const onDrain = (): void => {
    source.resume();
  };
  const onData = (chunk: Buffer | string): void => {
    const typed = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    const fed = keys ? keys.feed(typed) : { bytes: typed, detached: false };
    if (fed.bytes.length > 0 && !target.write(fed.bytes)) source.pause();
    if (fed.detached) {
      stop();
      detached.resolve();
    }
  };
  const onEnd = (): void => {
    if (!target.destroyed) target.end();
  };
  const stop = (): void => {
    source.off("data", onData);
    source.off("end", onEnd);
    source.off("error", onEnd);
    target.off("drain", onDrain);
    target.off("close", stop);
    source.pause();
  };
  source.on("data", onData);
  source.once("end", onEnd);
  // A stdin that cannot be read (closed, a folder) is one without input.
  source.once("error", onEnd);
  target.on("drain", onDrain);
  target.once("close", stop);
  target.on("error", () => undefined);
  source.resume();
  if (source.readableEnded) onEnd();
  return { detached: detached.promise, stop };
}
