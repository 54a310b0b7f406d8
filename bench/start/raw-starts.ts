import type { RawClone, RawTemplate } from "../raw/clone.ts";
import { HELLO } from "./config.ts";
import { inFlight } from "./race.ts";

const SHELL = ["/bin/sh", ...HELLO.slice(1)];

/** Wall time until so many raw clones, some at a time, have all written their first byte, ms. They stay until the last has, as machines do. */
export async function rawStarts(template: RawTemplate, count: number, concurrency: number): Promise<number> {
  const alive: RawClone[] = [];
  const began = performance.now();
  try {
    await inFlight(count, concurrency, async () => {
      const clone = await template.restore();
      alive.push(clone);
      await clone.start(SHELL);
      await clone.qemu.printed("hi\n");
    });
    return performance.now() - began;
  } finally {
    await Promise.all(alive.map((clone) => clone[Symbol.asyncDispose]()));
  }
}
