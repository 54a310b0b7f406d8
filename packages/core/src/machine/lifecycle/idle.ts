import { IDLE_CPU_PART, IDLE_LOOK_MAX_MS, IDLE_LOOK_MIN_MS, IDLE_LOOKS } from "../config.ts";
import type { Context } from "../context.ts";
import type { Handle } from "../handle.ts";
import type { LiveMachine } from "../ports.ts";
import { suspendMachine } from "./suspend.ts";

/** Looks from time to time whether anybody uses a machine that is to be suspended when nobody does. */
export function watchIdleness(context: Context, handle: Handle, live: LiveMachine, idleMs: number): void {
  handle.lastUsedMs = context.clock.now();
  const everyMs = Math.min(IDLE_LOOK_MAX_MS, Math.max(IDLE_LOOK_MIN_MS, Math.floor(idleMs / IDLE_LOOKS)));
  let earlier = { cpuMs: Number.NaN, atMs: context.clock.now() };
  const look = async () => {
    if (handle.live !== live || context.closing.signal.aborted) return;
    const { cpuMs, connections } = await live.activity();
    const published = (await handle.publication?.open()) ?? 0;
    const now = context.clock.now();
    const busy = !(cpuMs - earlier.cpuMs < (now - earlier.atMs) * IDLE_CPU_PART);
    earlier = { cpuMs, atMs: now };
    if (busy || connections + published > 0 || handle.sessions > 0) handle.lastUsedMs = now;
    const { state } = context.store.machine(handle.id).machine;
    if (state === "running" && now - handle.lastUsedMs >= idleMs) await suspendMachine(context, handle, "idle");
    else again();
  };
  const again = () => {
    handle.setTimer(
      "idle",
      context.clock.after(everyMs, () => {
        look().catch((error: unknown) => {
          context.log.warn({ machine: handle.id, err: error }, "an idle machine could not be suspended");
          if (handle.live === live) again();
        });
      }),
    );
  };
  again();
}
