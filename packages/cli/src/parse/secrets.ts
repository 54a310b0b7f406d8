import type { MachineSpec } from "@isthmus/contract";
import { invalid } from "./invalid.ts";

type Secrets = Pick<MachineSpec, "secrets" | "secretEnv">;

/** `--secret NAME[:/path]` and `--secret-env VAR=NAME`. */
export function secrets(files: readonly string[] | undefined, variables: readonly string[] | undefined): Secrets {
  return {
    secrets: files?.map((text) => {
      const cut = text.indexOf(":");
      if (cut === -1) return { secret: text };
      const path = text.slice(cut + 1);
      if (cut === 0 || !path.startsWith("/")) throw invalid("--secret", text, "write NAME or NAME:/path");
      return { secret: text.slice(0, cut), path };
    }),
    secretEnv: variables && Object.fromEntries(variables.map(variable)),
  };
}

function variable(text: string): [string, string] {
  const cut = text.indexOf("=");
  if (cut < 1 || cut === text.length - 1) throw invalid("--secret-env", text, "write VARIABLE=NAME");
  return [text.slice(0, cut), text.slice(cut + 1)];
}
