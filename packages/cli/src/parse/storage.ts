import { limits, type MachineSpec, parseBytes } from "@isthmus/contract";
import { invalid } from "./invalid.ts";

type Tmpfs = NonNullable<MachineSpec["tmpfs"]>[number];

/** `PATH`, `PATH:64m` or `PATH:rw,size=64m`. */
export function tmpfs(text: string): Tmpfs {
  const cut = text.indexOf(":");
  const path = cut === -1 ? text : text.slice(0, cut);
  if (!path.startsWith("/")) throw invalid("--tmpfs", text, "write an absolute path, then :SIZE if you like");
  let sizeBytes: number | undefined;
  for (const option of cut === -1 ? [] : text.slice(cut + 1).split(",")) {
    if (option === "rw") continue;
    sizeBytes = parseBytes(option.replace(/^size=/, ""));
    if (sizeBytes === undefined || sizeBytes < 4096) throw invalid("--tmpfs", text, "after the path goes a size such as 64m");
  }
  return sizeBytes === undefined ? { path } : { path, sizeBytes };
}

/** `no`, `on-failure`, `on-failure:5`, `unless-stopped`, `always`. */
export function restartPolicy(text: string): NonNullable<MachineSpec["restart"]> {
  const [policy = "", retries, extra] = text.split(":");
  const reason = "write no, on-failure, on-failure:RETRIES, unless-stopped or always";
  if (extra !== undefined) throw invalid("--restart", text, reason);
  if (policy === "no" || policy === "always" || policy === "unless-stopped") {
    if (retries !== undefined) throw invalid("--restart", text, "only on-failure takes a number of retries");
    return { policy };
  }
  if (policy !== "on-failure") throw invalid("--restart", text, reason);
  if (retries === undefined) return { policy };
  if (!/^\d{1,7}$/.test(retries) || Number(retries) > limits.restartRetries) throw invalid("--restart", text, reason);
  return { policy, maxRetries: Number(retries) };
}
