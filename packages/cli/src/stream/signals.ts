import { SECOND_INTERRUPT_MS } from "../config.ts";
import type { World } from "../context.ts";

/** Signals of ours that are the workload's business. */
const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

export interface SignalTarget {
  /** a signal for the workload, by name */
  send(name: string): void;
  /** the second Ctrl-C */
  kill(): void;
}

/** Hands signals on; a second SIGINT soon after the first kills. The returned function ends it. */
export function forwardSignals(world: World, target: SignalTarget, now: () => number = Date.now): () => void {
  let last = Number.NEGATIVE_INFINITY;
  const ends = forwarded.map((name) =>
    world.onSignal(name, () => {
      if (name !== "SIGINT") return target.send(name);
      const again = now() - last < SECOND_INTERRUPT_MS;
      last = now();
      if (again) target.kill();
      else target.send(name);
    }),
  );
  return () => {
    for (const end of ends) end();
  };
}
