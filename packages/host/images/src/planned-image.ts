import { IsthmusError } from "@isthmus/contract";
import type { ParsedConfig } from "./image-config.ts";
import type { Spooled } from "./spool.ts";

/** An image found in an archive: its documents are read and checked, its layers still lie in the archive. */
export interface PlannedImage {
  /** of the manifest */
  readonly digest: string;
  readonly manifest: Buffer;
  readonly configBytes: Buffer;
  readonly config: ParsedConfig;
  readonly layers: readonly { readonly digest: string; readonly sizeBytes: number }[];
  /** NAME:TAG */
  readonly tags: readonly string[];
  /** Copies layer `index` to a new file. The caller checks digest and size. */
  readonly stage: (index: number, path: string, signal?: AbortSignal) => Promise<Spooled>;
}

const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** `linux/amd64` or `linux/arm64`: what machines of this host run. */
export function hostPlatform(): { readonly os: string; readonly architecture: string; readonly name: string } {
  const architecture = architectures[process.arch] ?? process.arch;
  return { os: "linux", architecture, name: `linux/${architecture}` };
}

export function noPlatform(offered: readonly string[]): IsthmusError {
  const known = [...new Set(offered)].sort();
  return new IsthmusError("IMAGE_NO_PLATFORM", { platform: hostPlatform().name, offered: known.slice(0, 20).join(", ") || "nothing" });
}

/** `os/architecture` that the config names; an empty architecture is taken for the host's, as `docker import` leaves it out. */
export function platformOfConfig(config: ParsedConfig): string {
  return `${config.os || "linux"}/${config.architecture || hostPlatform().architecture}`;
}
