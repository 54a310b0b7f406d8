import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { TSC_DEADLINE_MS } from "../config.ts";
import type { EngineLog } from "../engine-log.ts";

const PROGRAM = "tsc-khz";

/**
 * Frequency of the host's time-stamp counter, kHz, measured once by the program beside the agent. Undefined when it cannot be had: then a TCG guest on
 * microvm would have to calibrate against the emulated PIT, and hangs when a busy host makes that fail.
 */
export function tscReader(agentPath: string | undefined, log: EngineLog): () => Promise<number | undefined> {
  let known: number | undefined;
  return async () => {
    if (known !== undefined || agentPath === undefined) return known;
    try {
      const { stdout } = await promisify(execFile)(join(dirname(agentPath), PROGRAM), [], { timeout: TSC_DEADLINE_MS });
      const khz = Number(stdout.trim());
      if (Number.isSafeInteger(khz) && khz > 0) known = khz;
    } catch (cause) {
      log("the frequency of the time-stamp counter is not known", { cause: String(cause) });
    }
    return known;
  };
}
