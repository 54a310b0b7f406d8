import { IsthmusError } from "@isthmus/contract";
import type { Context } from "../machine/context.ts";

/** Throws HOST_PRESSURE while users' starts are refused. */
export function checkPressure({ contention: { refusal }, admitting }: Context): void {
  if (refusal === undefined) return;
  admitting.count("pressure");
  throw new IsthmusError("HOST_PRESSURE", { reason: refusal });
}
