import { resolve } from "node:path";
import { limits, type MachineSpec, parseBytes } from "@isthmus/contract";
import { invalid } from "./invalid.ts";

type Mount = NonNullable<MachineSpec["mounts"]>[number];

const FORM = "write NAME:/PATH[:ro] for a volume, /HOST/PATH:/PATH[:ro] for a path of the host, or /PATH for a volume without a name";

/** `NAME:/path`, `NAME:/path:ro`, `/path`, `/host/path:/path`, `./path:/path:ro`: docker's `-v`. */
export function volume(text: string): Mount {
  const parts = text.split(":");
  const [first = "", second, mode, extra] = parts;
  if (extra !== undefined) throw invalid("--volume", text, FORM);
  if (parts.length === 1) {
    if (!first.startsWith("/")) throw invalid("--volume", text, FORM);
    return { type: "volume", path: first };
  }
  if (second === undefined || !second.startsWith("/")) throw invalid("--volume", text, FORM);
  if (mode !== undefined && mode !== "ro" && mode !== "rw") throw invalid("--volume", text, "after the path goes ro or rw");
  const readOnly = mode === "ro" ? { readOnly: true } : {};
  if (/^[./]/.test(first)) return { type: "bind", source: resolve(first), path: second, ...readOnly };
  if (first === "" || first.includes("/")) throw invalid("--volume", text, FORM);
  return { type: "volume", source: first, path: second, ...readOnly };
}

const keys: Readonly<Record<string, "type" | "source" | "path" | "readOnly" | "size">> = {
  type: "type",
  source: "source",
  src: "source",
  target: "path",
  destination: "path",
  dst: "path",
  readonly: "readOnly",
  ro: "readOnly",
  "volume-size": "size",
  size: "size",
};

/** `type=volume,source=NAME,target=/path[,readonly][,size=20g]`: docker's `--mount`. */
export function mount(text: string): Mount {
  const given: Partial<Record<"type" | "source" | "path" | "readOnly" | "size", string>> = {};
  for (const part of text.split(",")) {
    const cut = part.indexOf("=");
    const key = keys[cut < 0 ? part : part.slice(0, cut)];
    if (key === undefined)
      throw invalid(
        "--mount",
        text,
        `${part} is not understood; write type=volume|bind,source=NAME|/PATH,target=/PATH[,readonly][,size=20g]`,
      );
    given[key] = cut < 0 ? "true" : part.slice(cut + 1);
  }
  const { type = "volume", source, path, readOnly } = given;
  if (type !== "volume" && type !== "bind") throw invalid("--mount", text, "the type is volume or bind");
  if (type === "bind" && (source === undefined || source === "")) throw invalid("--mount", text, "a bind needs source=/PATH of the host");
  if (path === undefined || !path.startsWith("/")) throw invalid("--mount", text, "it needs target=/PATH");
  if (readOnly !== undefined && !["true", "1", "false", "0"].includes(readOnly))
    throw invalid("--mount", text, "readonly is true or false");
  const sizeBytes = given.size === undefined ? undefined : sizeOf(given.size, text);
  return {
    type,
    path,
    ...(source === undefined || source === "" ? {} : { source: type === "bind" ? resolve(source) : source }),
    ...(readOnly === "true" || readOnly === "1" ? { readOnly: true } : {}),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
  };
}

function sizeOf(value: string, text: string): number {
  const bytes = parseBytes(value);
  if (bytes !== undefined && bytes >= limits.diskMinBytes && bytes <= limits.diskMaxBytes) return bytes;
  throw invalid("--mount", text, `size is from ${limits.diskMinBytes} to ${limits.diskMaxBytes} bytes, such as 20g`);
}

/** The mounts of both flags, in the order of the command line within each; undefined when there are none. */
export function mounts(volumes: readonly string[] = [], all: readonly string[] = []): Mount[] | undefined {
  const given = [...volumes.map(volume), ...all.map(mount)];
  return given.length === 0 ? undefined : given;
}
