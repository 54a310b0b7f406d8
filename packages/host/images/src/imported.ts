import { compressionOfFile } from "./compression.ts";
import { composeManifest, digestOf, mediaTypes } from "./manifest.ts";
import { hostPlatform } from "./planned-image.ts";
import type { Spooled } from "./spool.ts";

export interface ImportedConfig {
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Config and manifest of a one-layer image. No time goes in: the same content and options give the same digest. */
export async function composeImported(
  layer: Spooled,
  diffId: string,
  options: ImportedConfig,
): Promise<{ readonly digest: string; readonly manifest: Buffer; readonly configBytes: Buffer }> {
  const { architecture, os } = hostPlatform();
  const config = {
    architecture,
    os,
    config: {
      ...(options.entrypoint === undefined ? {} : { Entrypoint: options.entrypoint }),
      ...(options.command === undefined ? {} : { Cmd: options.command }),
      ...(options.env === undefined ? {} : { Env: options.env }),
      ...(options.workdir === undefined ? {} : { WorkingDir: options.workdir }),
      ...(options.user === undefined ? {} : { User: options.user }),
      ...(options.labels === undefined ? {} : { Labels: options.labels }),
    },
    rootfs: { type: "layers", diff_ids: [diffId] },
  };
  const configBytes = Buffer.from(JSON.stringify(config));
  const mediaType = mediaTypes.layer[await compressionOfFile(layer.path)];
  const manifest = composeManifest(configBytes, [{ digest: layer.digest, sizeBytes: layer.sizeBytes, mediaType }]);
  return { digest: digestOf(manifest), manifest, configBytes };
}
