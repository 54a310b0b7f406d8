import { readFileSync, statSync } from "node:fs";
import { IsthmusError } from "@isthmus/contract";
import { ENV_FILE_MAX_BYTES } from "../config.ts";
import { invalid } from "./invalid.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Adds `K=V`, or `K` with the value it has in `own`; a name that is unset there is left away, as docker does. */
function add(target: Map<string, string>, entry: string, own: Environment, field: string): void {
  const cut = entry.indexOf("=");
  const name = cut === -1 ? entry : entry.slice(0, cut);
  if (name === "" || /\s/.test(name)) throw invalid(field, entry, "write NAME=VALUE");
  const value = cut === -1 ? own[name] : entry.slice(cut + 1);
  if (value === undefined) target.delete(name);
  else target.set(name, value);
}

/** Variables of --env-file files, then of -e flags, which win. Throws INVALID_REQUEST, LOCAL_FILE, TOO_LARGE. */
export function environment(entries: readonly string[], files: readonly string[], own: Environment): Record<string, string> | undefined {
  const variables = new Map<string, string>();
  for (const file of files) {
    for (const [index, line] of readEnvFile(file).split(/\r?\n/).entries()) {
      const text = line.trimStart();
      if (text !== "" && !text.startsWith("#")) add(variables, text, own, `${file}:${index + 1}`);
    }
  }
  for (const entry of entries) add(variables, entry, own, "--env");
  return variables.size === 0 ? undefined : Object.fromEntries(variables);
}

function readEnvFile(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > ENV_FILE_MAX_BYTES) throw new IsthmusError("TOO_LARGE", { field: file, value: size, limit: ENV_FILE_MAX_BYTES });
    return readFileSync(file, "utf8").replace(/^\ufeff/, "");
  } catch (cause) {
    if (cause instanceof IsthmusError) throw cause;
    throw new IsthmusError("LOCAL_FILE", { path: file, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}

/** Labels of `K=V` or `K` flags. */
export function labels(entries: readonly string[]): Record<string, string> | undefined {
  if (entries.length === 0) return undefined;
  return Object.fromEntries(
    entries.map((entry) => {
      const cut = entry.indexOf("=");
      const key = cut === -1 ? entry : entry.slice(0, cut);
      if (key === "") throw invalid("--label", entry, "write KEY=VALUE");
      return [key, cut === -1 ? "" : entry.slice(cut + 1)];
    }),
  );
}
