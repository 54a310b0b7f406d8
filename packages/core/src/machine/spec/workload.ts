import { type ExecSpec, type Image, IsthmusError, limits, type MachineSpec } from "@isthmus/contract";
import { DEFAULT_PATH, DEFAULT_WORKDIR } from "../config.ts";
import type { Workload } from "../ports.ts";

/** bytes of argv, env, cwd and user as JSON, which is how they travel: room is left for the rest of a 65,536-byte frame */
const PROCESS_JSON_BYTES = 60_000;

/** The program a machine runs: the image's config, then the spec, as docker puts them together. Throws IMAGE_NO_COMMAND, INVALID_REQUEST, TOO_LARGE. */
export function resolveWorkload(spec: MachineSpec, image: Image): Workload {
  const workload: Workload = {
    argv: commandOf(spec, image),
    env: mergeEnv(image.config.env, spec.env ?? {}),
    cwd: spec.workdir ?? (image.config.workdir || DEFAULT_WORKDIR),
    user: spec.user ?? image.config.user,
    tty: spec.tty ?? false,
    stdin: spec.stdin ?? false,
  };
  checkProcessSize("command and env", workload.argv, workload.env, workload.cwd);
  return workload;
}

/** Throws TOO_LARGE when an exec's command and environment do not fit the guest protocol. */
export function checkExec(spec: ExecSpec): void {
  const env = Object.entries(spec.env ?? {}).map(([key, value]) => `${key}=${value}`);
  checkProcessSize("command and env", spec.command, env, spec.workdir ?? "");
}

/** An entrypoint of the spec replaces the image's entrypoint and command; a command replaces the image's command only. */
function commandOf(spec: MachineSpec, image: Image): readonly string[] {
  const entrypoint = spec.entrypoint === undefined ? image.config.entrypoint : withoutReset(spec.entrypoint);
  const command = spec.command ?? (spec.entrypoint === undefined ? image.config.cmd : []);
  const argv = [...entrypoint, ...command];
  if (argv.length === 0) throw new IsthmusError("IMAGE_NO_COMMAND", { ref: spec.image });
  if (argv[0] === "") throw new IsthmusError("INVALID_REQUEST", { field: "command", reason: "its first word is empty", value: "" });
  return argv;
}

/** `--entrypoint ""` means none. */
function withoutReset(entrypoint: readonly string[]): readonly string[] {
  return entrypoint.length === 1 && entrypoint[0] === "" ? [] : entrypoint;
}

function mergeEnv(imageEnv: readonly string[], specEnv: Readonly<Record<string, string>>): readonly string[] {
  const merged = new Map<string, string>([["PATH", DEFAULT_PATH]]);
  for (const entry of imageEnv) {
    const cut = entry.indexOf("=");
    if (cut > 0) merged.set(entry.slice(0, cut), entry.slice(cut + 1));
  }
  for (const [key, value] of Object.entries(specEnv)) merged.set(key, value);
  return Array.from(merged, ([key, value]) => `${key}=${value}`);
}

function checkProcessSize(field: string, argv: readonly string[], env: readonly string[], cwd: string): void {
  const raw = [...argv, ...env, cwd].reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (raw > limits.processBytes)
    throw new IsthmusError("TOO_LARGE", { field, value: `${raw} bytes`, limit: `${limits.processBytes} bytes` });
  const encoded = Buffer.byteLength(JSON.stringify([argv, env, cwd]));
  if (encoded > PROCESS_JSON_BYTES)
    throw new IsthmusError("TOO_LARGE", { field, value: `${encoded} bytes as JSON`, limit: `${PROCESS_JSON_BYTES} bytes` });
}
