import type { Finding } from "@isthmus/contract";

/** Compares the numbers at the start of `text` with `least`. */
export function atLeast(text: string, least: readonly number[]): boolean {
  const parts = (/\d+(\.\d+)*/.exec(text)?.[0] ?? "0").split(".").map(Number);
  for (const [index, wanted] of least.entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}

export function ok(id: string, title: string, detail: string): Finding {
  return { id, level: "ok", title, detail, remedy: "" };
}

export function flaw(level: "note" | "warning" | "error", id: string, title: string, detail: string, remedy: string): Finding {
  return { id, level, title, detail, remedy };
}
