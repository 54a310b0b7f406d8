import type { HostFacts } from "@isthmus/contract";
import {
  CALM_MS,
  CPU_SOME,
  IO_FULL,
  MEMORY_AMPLE,
  MEMORY_FULL,
  MEMORY_LEFT,
  MEMORY_SOME,
  RAISE_MS,
  RELAPSE_MS,
  RELAPSES_MAX,
} from "./config.ts";

export type Kind = "cpu" | "memory" | "io";
export const kinds: readonly Kind[] = ["cpu", "memory", "io"];

/** `between` the two thresholds nothing changes. */
export type Level = "pressed" | "between" | "calm";

/** What one look says, and in words with numbers. */
export function levelOf(kind: Kind, { pressure, memoryAvailableBytes, memoryTotalBytes }: HostFacts): { level: Level; words: string } {
  if (pressure === undefined) return { level: "calm", words: "pressure is not known" };
  const { some10, full10 } = pressure[kind];
  if (kind === "cpu") return { level: between(some10, CPU_SOME), words: `processors: some ${shown(some10)} %` };
  if (kind === "io") return { level: between(full10, IO_FULL), words: `disks: full ${shown(full10)} %` };
  const left = memoryTotalBytes === 0 ? 1 : memoryAvailableBytes / memoryTotalBytes;
  const words = `memory: some ${shown(some10)} %, full ${shown(full10)} %, ${shown(left * 100)} % available`;
  // Then it is machines that stall at limits of their own, which the kernel counts as the host's too: no reason to refuse others.
  if (left >= MEMORY_AMPLE) return { level: "calm", words };
  const levels = [
    between(some10, MEMORY_SOME),
    between(full10, MEMORY_FULL),
    between(-left, { pressed: -MEMORY_LEFT.pressed, calm: -MEMORY_LEFT.calm }),
  ];
  const level = levels.includes("pressed") ? "pressed" : levels.every((one) => one === "calm") ? "calm" : "between";
  return { level, words };
}

function between(value: number, limit: { readonly pressed: number; readonly calm: number }): Level {
  if (value >= limit.pressed) return "pressed";
  return value <= limit.calm ? "calm" : "between";
}

function shown(value: number): string {
  return value.toFixed(1);
}

/** Whether one thing is under pressure, with hysteresis in value and time: what comes back soon is let go of later. */
export class Pressed {
  #on = false;
  #level: Level = "calm";
  #sinceMs: number | undefined;
  readonly #begun: number[] = [];

  get on(): boolean {
    return this.#on;
  }

  /** Above the threshold at the last look. */
  get hot(): boolean {
    return this.#on && this.#level === "pressed";
  }

  look(level: Level, atMs: number): void {
    if (level !== this.#level) this.#sinceMs = atMs;
    this.#level = level;
    const lastedMs = atMs - (this.#sinceMs ?? atMs);
    if (!this.#on && level === "pressed" && lastedMs >= RAISE_MS) {
      this.#on = true;
      this.#begun.push(atMs);
    }
    if (this.#on && level === "calm" && lastedMs >= this.#calmMs(atMs)) this.#on = false;
  }

  #calmMs(atMs: number): number {
    const relapses = this.#begun.filter((begun) => atMs - begun < RELAPSE_MS).length - 1;
    this.#begun.splice(0, this.#begun.length - RELAPSES_MAX - 1);
    return CALM_MS * 2 ** Math.min(RELAPSES_MAX, Math.max(0, relapses));
  }
}
