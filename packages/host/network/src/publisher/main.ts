import process from "node:process";
import { parseArgs } from "node:util";
import { IsthmusError } from "@isthmus/contract";
import { PUBLISHER_LOOK_MS } from "../config.ts";
import { Publisher } from "./publisher.ts";

const note = (text: string): void => void process.stderr.write(`${new Date().toISOString()} ${text.replaceAll("\n", " ")}\n`);

function needed(field: string, value: string | undefined): string {
  if (value === undefined) throw new IsthmusError("INVALID_REQUEST", { field, value: "nothing", reason: "it is needed" });
  return value;
}

/** `node main.ts --socket PATH --home FOLDER`, in the host's namespace. Ends with status 0 when it was told to or nobody needs it, 1 when it cannot start. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      socket: { type: "string" },
      home: { type: "string" },
    },
  });
  const publisher = new Publisher({
    socket: needed("--socket", values.socket),
    home: needed("--home", values.home),
    lookEveryMs: PUBLISHER_LOOK_MS,
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => publisher.stop());
  // The daemon's end must not be ours: its terminal's hangup, and a standard error that nobody reads.
  process.on("SIGHUP", () => undefined);
  process.stderr.on("error", () => undefined);
  await publisher.start();
  await publisher.stopped;
  process.exit(0);
}

main().catch((error: unknown) => {
  const { code, message } = IsthmusError.from(error);
  note(`${code}: ${message}`);
  process.exit(1);
});
