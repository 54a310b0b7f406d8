import { cpus } from "node:os";
import type { SavedParts } from "@isthmus/core";
import type { BootVariant } from "../command-line.ts";

/** What each part is called when it does not match. */
const words: Readonly<Record<string, string>> = {
  engine: "the engine",
  kernel: "the guest kernel with its agent",
  hostCpu: "the processor",
  variant: "the accelerator, machine type or CPU model",
  layout: "the kind of its devices",
};

/** Raised when guests saved by an earlier version can no longer go on: other devices, or another order of them. */
const LAYOUT = 1;

export function savedParts(host: { readonly qemuVersion: string; readonly kernel: string; readonly variant: BootVariant }): SavedParts {
  const { accelerator, machineType, cpuModel } = host.variant;
  return {
    engine: `qemu ${host.qemuVersion}`,
    kernel: host.kernel,
    hostCpu: cpus()[0]?.model ?? "",
    variant: `${accelerator} ${machineType} ${cpuModel}`,
    layout: LAYOUT,
  };
}

/** Device state fits only the same version of QEMU with the same devices; a guest has seen the features of its processor. Undefined when all is the same. */
export function mismatch(saved: SavedParts, here: SavedParts): string | undefined {
  for (const [part, word] of Object.entries(words)) {
    if (saved[part] !== here[part]) return `${word} was ${saved[part] ?? "not noted"}, here it is ${here[part] ?? "none"}`;
  }
  return undefined;
}

/** Of a machine with these parts. */
export function machineTypeOf({ variant = "" }: SavedParts): "microvm" | "q35" {
  return String(variant).split(" ")[1] === "q35" ? "q35" : "microvm";
}
