import { defaults, hasCode, IsthmusError } from "@isthmus/contract";
import { type Context, handleOf } from "../machine/context.ts";
import { requestStop } from "../machine/lifecycle/stop.ts";
import { requestResume, suspendMachine } from "../machine/lifecycle/suspend.ts";
import type { NewEvent } from "../machine/ports.ts";
import type { ContendingMachine } from "./ports.ts";

/** What can be done to machines under pressure. */
export interface ContentionActions {
  /** Those that have an engine process and are taken up. */
  machines(): readonly ContendingMachine[];
  /** ids of machines that were suspended for pressure, the longest-suspended first */
  yielded(): readonly string[];
  /** With `held` prepared clones are given back and none is prepared until it is called without. */
  holdPools(held: boolean): Promise<void>;
  /** Throws STATE_CONFLICT when somebody uses the machine by now, and what `Machines.suspend` throws. */
  suspend(id: string): Promise<void>;
  /** A no-op when the machine is not suspended for pressure any more. Throws what `Machines.resume` throws. */
  resume(id: string): Promise<void>;
  /** Stops a machine whose spec allows it, in order. Throws STATE_CONFLICT when it does not. */
  evict(id: string): Promise<void>;
  /** With a reason users' starts and resumes throw HOST_PRESSURE. */
  refuse(reason: string | undefined): void;
  note(event: NewEvent): void;
}

export function createContentionActions(context: Context): ContentionActions {
  return {
    machines: () => contending(context),
    yielded() {
      const found = context.store.allMachines().filter(({ machine, boot }) => machine.state === "suspended" && boot.yielded === true);
      const since = ({ machine }: (typeof found)[number]) => machine.suspendedAt ?? "";
      return found.sort((a, b) => since(a).localeCompare(since(b))).map(({ machine }) => machine.id);
    },
    holdPools: async (held) => await context.pools?.hold(held),
    async suspend(id) {
      const handle = handleOf(context, id);
      const { name, state } = context.store.machine(id).machine;
      const connections = (await handle.live?.activity())?.connections ?? 0;
      if (handle.sessions > 0 || connections > 0)
        throw new IsthmusError("STATE_CONFLICT", { action: "suspend", name, state, allowed: "idle", first: "" });
      await suspendMachine(context, handle, "pressure");
    },
    async resume(id) {
      const { machine, boot } = context.store.machine(id);
      if (machine.state !== "suspended" || boot.yielded !== true) return;
      await (await requestResume(context, handleOf(context, id), "host")).done;
    },
    async evict(id) {
      const { machine } = context.store.machine(id);
      const { name, state, spec } = machine;
      if (spec.evictable !== true)
        throw new IsthmusError("STATE_CONFLICT", { action: "evict", name, state, allowed: "evictable", first: "" });
      await requestStop(context, handleOf(context, id), {});
    },
    refuse(reason) {
      context.contention.refusal = reason;
    },
    note: (event) => context.store.appendEvents([event]),
  };
}

function contending(context: Context): readonly ContendingMachine[] {
  return [...context.handles.values()].flatMap((handle) => {
    const { live } = handle;
    if (live === undefined) return [];
    const machine = machineOf(context, handle.id);
    if (machine === undefined) return [];
    const { id, name, state, spec } = machine;
    if (state !== "running" && state !== "paused" && state !== "stopping") return [];
    const { priority = defaults.priority, evictable = false, resources = {} } = spec;
    return [{ id, name, pid: live.pid, state, priority, evictable, resources, sessions: handle.sessions }];
  });
}

function machineOf(context: Context, id: string) {
  try {
    return context.store.machine(id).machine;
  } catch (error) {
    // It was removed a moment ago.
    if (hasCode(error, "MACHINE_NOT_FOUND")) return undefined;
    throw error;
  }
}
