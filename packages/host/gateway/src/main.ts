import process from "node:process";
import { parseArgs } from "node:util";
import { IsthmusError } from "@isthmus/contract";
import { DENIALS_TOLD_EVERY_MS, TIE_GRACE_MS, TIE_MAX_MS, TIE_MIN_MS } from "./config.ts";
import { Gateway } from "./gateway.ts";

function milliseconds(field: string, text: string): number {
  const ms = Number(text);
  if (!/^\d{1,9}$/.test(text))
    throw new IsthmusError("INVALID_REQUEST", { field, value: text, reason: "it is a whole number of milliseconds" });
  return ms;
}

const note = (text: string): void => void process.stderr.write(`${new Date().toISOString()} ${text.replaceAll("\n", " ")}\n`);

/** `node main.ts --socket PATH`, in the network's namespace. Ends with status 0 when it was told to, 1 when it cannot start. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      socket: { type: "string" },
      "tie-min-ms": { type: "string", default: String(TIE_MIN_MS) },
      "tie-max-ms": { type: "string", default: String(TIE_MAX_MS) },
      "tie-grace-ms": { type: "string", default: String(TIE_GRACE_MS) },
      "tell-every-ms": { type: "string", default: String(DENIALS_TOLD_EVERY_MS) },
    },
  });
  if (values.socket === undefined)
    throw new IsthmusError("INVALID_REQUEST", { field: "--socket", value: "nothing", reason: "it is needed" });
  const tieTimes = {
    minMs: milliseconds("--tie-min-ms", values["tie-min-ms"]),
    maxMs: milliseconds("--tie-max-ms", values["tie-max-ms"]),
    graceMs: milliseconds("--tie-grace-ms", values["tie-grace-ms"]),
  };
  const tellEveryMs = milliseconds("--tell-every-ms", values["tell-every-ms"]);
  const gateway = new Gateway({ socket: values.socket, tieTimes, tellEveryMs, note });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void gateway.stop().catch((error: unknown) => fail(error)));
  // The daemon's end must not be ours: its terminal's hangup, and a standard error that nobody reads.
  process.on("SIGHUP", () => undefined);
  process.stderr.on("error", () => undefined);
  await gateway.start();
  await gateway.stopped;
  process.exit(0);
}

function fail(error: unknown): void {
  const { code, message } = IsthmusError.from(error);
  note(`${code}: ${message}`);
  process.exit(1);
}

main().catch(fail);
