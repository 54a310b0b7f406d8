import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { cpus } from "node:os";
import { basename } from "node:path";
import type { BootKernel, GuestShape, TemplateShape } from "@isthmus/core";
import { type BootVariant, commandLine } from "../command-line.ts";

/** Asking for it reads files of each processor. */
const HOST_CPU = cpus()[0]?.model ?? "";

/** Names that differ from machine to machine and mean nothing to the guest. */
const ANY = { name: "any", folder: "/any", socketFolder: "/any", outputPath: "/any", rootfsPath: "/any" } as const;

/**
 * Everything that a template and its clones must have in common. Device state fits only the same version of QEMU with the same devices, and a guest that
 * was booted from one rootfs has parts of it in memory; so the arguments themselves are part of the key, and a rootfs that was made anew is another one.
 */
export async function templateShape(
  shape: GuestShape,
  host: { readonly kernel: BootKernel; readonly variant: BootVariant; readonly qemuVersion: string },
): Promise<TemplateShape> {
  const { kernel, variant, qemuVersion } = host;
  const { size, mtimeMs } = await stat(shape.rootfsPath);
  const boot = { kernelPath: "/any", initramfsPath: "/any" };
  const layout = {
    ...ANY,
    ...shape,
    rootfsPath: ANY.rootfsPath,
    boot,
    ports: [],
    diskPath: shape.diskBytes === undefined ? undefined : "/any",
  };
  const parts = {
    engine: `qemu ${qemuVersion}`,
    kernel: kernel.digest,
    rootfs: `${basename(shape.rootfsPath)} ${size} ${mtimeMs}`,
    diskBytes: shape.diskBytes ?? 0,
    disk: shape.diskBytes === undefined ? "none" : shape.keptDisk ? "kept" : "new",
    hostCpu: HOST_CPU,
    // What QEMU does with the code of an idle guest is nothing that the guest can see.
    arguments: commandLine(layout, { ...variant, idleCode: undefined }).join(" "),
  };
  return { key: createHash("sha256").update(JSON.stringify(parts)).digest("hex"), accelerator: variant.accelerator, parts };
}
