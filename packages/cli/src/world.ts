import type { World } from "./context.ts";
import { connect } from "./daemon/connect.ts";
import { enterRawMode } from "./terminal/raw-mode.ts";

/** This process's own streams, environment and signals. */
export function realWorld(): World {
  // A reader that went away is learnt from each write; unheard, the event would end the process with a stack trace.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
  return {
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    connect,
    rawMode: () => enterRawMode(process.stdin),
    onSignal(name, listener) {
      process.on(name, listener);
      return () => process.off(name, listener);
    },
  };
}
