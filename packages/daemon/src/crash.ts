import process from "node:process";
import { IsthmusError } from "@isthmus/contract";
import { type Crashpoint, crashPoints } from "@isthmus/core";

/** Ends this process with SIGKILL at the place that CRASH_AT names: fault tests only. Throws CONFIG_INVALID for an unknown place. */
export function crashAt(name: string | undefined): Crashpoint | undefined {
  if (name === undefined) return undefined;
  if (!crashPoints.some((point) => point === name)) {
    throw new IsthmusError("CONFIG_INVALID", { field: "CRASH_AT", value: name, reason: "there is no such crash point" });
  }
  return (point) => {
    if (point === name) process.kill(process.pid, "SIGKILL");
  };
}
