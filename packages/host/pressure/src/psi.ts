import type { PressureSample } from "@isthmus/contract";
import type { ProcText } from "./proc-text.ts";

type Stall = PressureSample["cpu"];

/** The kernel's pressure stall information (accounting/psi.rst); undefined where it has none. */
export function psi(read: ProcText, atMs: number): PressureSample | undefined {
  const [cpu, memory, io] = ["cpu", "memory", "io"].map((name) => stall(read(`/proc/pressure/${name}`)));
  return cpu && memory && io ? { source: "psi", atMs, cpu, memory, io } : undefined;
}

/** cpu has had no line `full` before Linux 5.13. */
function stall(text: string | undefined): Stall | undefined {
  if (text === undefined || !text.startsWith("some ")) return undefined;
  const value = (line: string, field: string) => Number(new RegExp(`^${line} .*\\b${field}=([\\d.]+)`, "m").exec(text)?.[1] ?? 0);
  return { some10: value("some", "avg10"), some60: value("some", "avg60"), full10: value("full", "avg10"), full60: value("full", "avg60") };
}
